// Gallery serves every page over a small world, to look at while writing them:
//
//	go run ./portal/web/webtest/gallery
//
// It prints where, and whom to sign in as. Everything is in memory and gone when it stops.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"concierge/portal/web"
	"concierge/portal/web/webtest"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8300", "address to serve on")
	desktop := flag.Bool("desktop", false, "as in the desktop window, as the partner")
	flag.Parse()
	if err := serve(*listen, *desktop); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(listen string, desktop bool) error {
	world := webtest.New(time.Now)
	options := world.Options()
	if desktop {
		options = world.DesktopOptions(webtest.Partner)
	}
	options.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	pages, err := web.New(options)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n\nEverybody's password is %q:\n", listener.Addr(), webtest.Password)
	for _, email := range world.Emails() {
		fmt.Println("  " + email)
	}
	fmt.Printf("\nInvitation: http://%s/invitation/%s\n", listener.Addr(), webtest.Invitation)
	server := &http.Server{Handler: pages, ReadHeaderTimeout: 5 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	go func() {
		<-ctx.Done()
		_ = server.Close() // the process ends with it
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}
