// Package app is the desktop application: one window that shows the portal's own pages, rendered in this process over
// HTTP API v1, and a few methods for what a page cannot do. It is the only package that knows Wails.
package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	goruntime "runtime"

	"github.com/wailsapp/wails/v2"
	"github.com/wailsapp/wails/v2/pkg/logger"
	"github.com/wailsapp/wails/v2/pkg/menu"
	"github.com/wailsapp/wails/v2/pkg/menu/keys"
	"github.com/wailsapp/wails/v2/pkg/options"
	"github.com/wailsapp/wails/v2/pkg/options/assetserver"
	"github.com/wailsapp/wails/v2/pkg/options/linux"
	"github.com/wailsapp/wails/v2/pkg/runtime"

	"concierge/app/bindings"
	"concierge/app/connection"
	"concierge/app/deskhttp"
	"concierge/app/window"
	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/client"
	"concierge/portal/web"
	"concierge/portal/web/ui"
)

// native is what the window's pages need of the system. Wails gives it its context when the window starts; nothing asks
// before.
type native struct{ ctx context.Context }

func (n *native) context() context.Context { return n.ctx }

func (n *native) SetText(text string) error { return runtime.ClipboardSetText(n.ctx, text) }

func (n *native) Text() (string, error) { return runtime.ClipboardGetText(n.ctx) }

func (n *native) openURL(address string) { runtime.BrowserOpenURL(n.ctx, address) }

func (n *native) goTo(path string) {
	runtime.WindowExecJS(n.ctx, fmt.Sprintf("location.assign(%q)", path))
}

func (n *native) save(_ context.Context, name string, content []byte) error {
	name = filepath.Base(name)
	home, err := os.UserHomeDir()
	if err != nil {
		return fmt.Errorf("looking for a place to save to: %w", err)
	}
	path, err := runtime.SaveFileDialog(n.ctx, runtime.SaveDialogOptions{Title: name, DefaultFilename: name, DefaultDirectory: home})
	if err != nil || path == "" {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

// Run shows the window until it is closed. Until then it has no effect but on the window: the tool that writes the
// TypeScript of the bound methods runs it as well.
func Run() error {
	log := slog.New(web.LogHandler(slog.NewTextHandler(os.Stderr, nil), nil))
	system := &native{}
	keeper := connection.New(func(address string, token portal.Secret) (api.Desk, error) {
		return client.New(address, token, client.Options{})
	})
	held := &bindings.Keys{Portals: keeper, Clipboard: system, Log: log}
	pages, err := window.New(keeper, held.Revoked, log)
	if err != nil {
		return fmt.Errorf("making the pages: %w", err)
	}
	held.Text = pages.Text
	err = wails.Run(&options.App{
		Title:                    "Concierge",
		Width:                    1240,
		Height:                   860,
		MinWidth:                 420,
		MinHeight:                480,
		AssetServer:              &assetserver.Options{Handler: deskhttp.New(pages, deskhttp.Options{OpenURL: system.openURL, Save: system.save, Log: log})},
		OnStartup:                func(ctx context.Context) { system.ctx = ctx },
		Bind:                     []any{&Bindings{keys: held, context: system.context}},
		Menu:                     mainMenu(system),
		LogLevelProduction:       logger.WARNING,
		EnableDefaultContextMenu: true,
		Linux:                    &linux.Options{ProgramName: "concierge", WebviewGpuPolicy: linux.WebviewGpuPolicyOnDemand},
	})
	if err != nil {
		return fmt.Errorf("showing the window: %w", err)
	}
	return nil
}

// mainMenu is the window's. macOS needs its own menus for its shortcuts to work at all.
func mainMenu(system *native) *menu.Menu {
	m := menu.NewMenu()
	if goruntime.GOOS == "darwin" {
		m.Append(menu.AppMenu())
	}
	place := m.AddSubmenu("Concierge")
	for _, entry := range []struct{ text, path, key string }{
		{"Home", ui.HomePath, "h"}, {"APIs", ui.APIsPath, "l"}, {"Keys", ui.KeysPath, "k"},
	} {
		place.AddText(entry.text, keys.CmdOrCtrl(entry.key), func(*menu.CallbackData) { system.goTo(entry.path) })
	}
	place.AddSeparator()
	place.AddText("Portal…", keys.CmdOrCtrl(","), func(*menu.CallbackData) { system.goTo(ui.ConnectPath) })
	if goruntime.GOOS == "darwin" {
		m.Append(menu.EditMenu())
		m.Append(menu.WindowMenu())
		return m
	}
	place.AddSeparator()
	place.AddText("Quit", keys.CmdOrCtrl("q"), func(*menu.CallbackData) { runtime.Quit(system.ctx) })
	return m
}
