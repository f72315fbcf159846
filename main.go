// Command concierge-desktop is the desktop application: the window beside portal/cmd/concierge.
//
// Without the build tags desktop and production it compiles anywhere, and says how it wants to be built when it is run.
// build/desktop builds it.
package main

import (
	"fmt"
	"os"

	"concierge/app"
)

func main() {
	if err := app.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "concierge:", err)
		os.Exit(1)
	}
}
