package site

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"concierge/portal"
)

// Identity is who a worker is to its portal. It lies in a file that only the worker's user can read.
type Identity struct {
	Server string      // the portal's address; the secret goes nowhere else
	Site   portal.Site // the one that it joined
	Worker string      // its id there
	secret portal.Secret
}

// identityFile is an Identity on the disk. Worker is empty until the portal has answered.
type identityFile struct {
	Server string      `json:"server"`
	Site   portal.Site `json:"site"`
	Worker string      `json:"worker"`
	Secret string      `json:"secret"`
}

// Join returns the identity in the file at path, or joins the site with an enrolment token and writes it there. The secret
// is written before it is sent: whoever was interrupted joins again with the same token. Errors: portal.ErrInvalid where
// the file is of another portal or site, or there is neither file nor token; portal.ErrDenied where the token does not
// serve.
func Join(ctx context.Context, p *Portal, site portal.Site, path string, token portal.Secret, name, version string) (Identity, error) {
	kept, err := readIdentity(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kept = identityFile{Server: p.server, Site: site, Secret: portal.NewID("worker")}
	case err != nil:
		return Identity{}, err
	case kept.Server != p.server || kept.Site != site:
		return Identity{}, fmt.Errorf("%s is the identity of a worker of site %s at %s: name another folder with --data: %w", path, kept.Site, kept.Server, portal.ErrInvalid)
	}
	id := Identity{Server: p.server, Site: site, Worker: kept.Worker, secret: portal.NewSecret(kept.Secret)}
	if kept.Worker != "" {
		return id, nil
	}
	if token.IsZero() {
		return Identity{}, fmt.Errorf("this worker has not joined the site yet: give it an enrolment token, which an administrator makes in the portal: %w", portal.ErrInvalid)
	}
	if err := writeIdentity(path, kept); err != nil {
		return Identity{}, err
	}
	var said enrolled
	err = p.post(ctx, portal.Secret{}, enrolPath, enrolment{Token: token.Reveal(), Secret: kept.Secret, Site: site, Name: name, Version: version}, &said)
	if err != nil {
		return Identity{}, fmt.Errorf("joining site %s: %w", site, err)
	}
	id.Worker, kept.Worker = said.Worker, said.Worker
	return id, writeIdentity(path, kept)
}

func readIdentity(path string) (f identityFile, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return f, fmt.Errorf("identity of the worker: %w", err)
	}
	if json.Unmarshal(content, &f) != nil || len(f.Secret) < minSecret { // its error could quote what it read
		return f, fmt.Errorf("identity of the worker: %s is damaged: remove it, and join again with a new enrolment token: %w", path, portal.ErrInvalid)
	}
	return f, nil
}

// writeIdentity replaces the file whole, for this user only.
func writeIdentity(path string, f identityFile) error {
	content, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("identity of the worker: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("identity of the worker: %w", err)
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), ".worker-*") // 0600
	if err != nil {
		return fmt.Errorf("identity of the worker: %w", err)
	}
	_, err = fresh.Write(content)
	if err == nil {
		err = fresh.Sync()
	}
	if err = errors.Join(err, fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), path)
	}
	if err != nil {
		_ = os.Remove(fresh.Name())
		return fmt.Errorf("identity of the worker: %w", err)
	}
	return nil
}
