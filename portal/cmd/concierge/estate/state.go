package estate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v4"

	"concierge/connectors/sample/gateway"
)

// kept is what a sample gateway keeps between two starts, beside its hashed keys: without it, every endpoint would have
// another address.
type kept struct {
	Admin  string `json:"admin"`
	Public string `json:"public"`
}

// remember reads what a gateway kept in a folder, or chooses it now.
func remember(dir string) (f kept, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return f, err
	}
	path := filepath.Join(dir, "gateway.json")
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if f.Admin, err = freeAddress(); err != nil {
			return f, err
		}
		if f.Public, err = freeAddress(); err != nil {
			return f, err
		}
		if b, err = json.Marshal(f); err != nil {
			return f, err
		}
		if err = os.WriteFile(path, b, 0o600); err != nil {
			return f, err
		}
	case err != nil:
		return f, err
	default:
		if err := json.Unmarshal(b, &f); err != nil {
			return f, fmt.Errorf("%s: %w; remove the folder to start afresh", path, err)
		}
	}
	return f, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// describe takes title and texts from the document, as a gateway's publisher would fill them in.
func describe(a *gateway.API) error {
	var doc struct {
		Info struct{ Title, Version, Summary, Description string }
		Tags []struct{ Name string }
	}
	if err := yaml.Unmarshal(a.Document, &doc); err != nil {
		return fmt.Errorf("document of %s: %w", a.Name, err)
	}
	a.Title, a.Version, a.Summary, a.Description = doc.Info.Title, doc.Info.Version, doc.Info.Summary, doc.Info.Description
	for _, t := range doc.Tags {
		a.Tags = append(a.Tags, t.Name)
	}
	return nil
}
