package sqlite

import (
	"fmt"
	"strings"

	"concierge/portal"
)

func inUse(lockPath string) error {
	return fmt.Errorf("%s is in use by another Concierge: stop that one first, or give this one its own file with --database: %w",
		strings.TrimSuffix(lockPath, ".lock"), portal.ErrConflict)
}
