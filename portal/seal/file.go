package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"concierge/portal"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
)

// Open reads the key file, or makes one where there is none; created tells which. Of processes that start at once, all get the
// same key. Errors of a file that is there are those of Load.
//
// Use it for a database that holds no canary yet, and Load for one that does: a fresh key cannot open what is in it.
func Open(path string) (box *Box, created bool, err error) {
	if box, err = Load(path); !errors.Is(err, portal.ErrNotFound) {
		return box, false, err
	}
	keys, err := newKeyFile()
	if err != nil {
		return nil, false, fmt.Errorf("making a key file: %w", err)
	}
	// A link, and not a rename: it does not replace what another process has put there meanwhile.
	err = keys.write(path, os.Link)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, false, fmt.Errorf("making key file %s: %w", path, err)
	}
	created = err == nil
	box, err = Load(path)
	return box, created, err
}

// Load reads the key file. Errors: portal.ErrNotFound where there is none, portal.ErrInvalid where it cannot be used: empty, damaged, or
// readable by others than its owner. They say what to do.
func Load(path string) (*Box, error) {
	_, box, err := load(path)
	return box, err
}

func load(path string) (keyFile, *Box, error) {
	keys, err := readKeyFile(path)
	if err != nil {
		return keyFile{}, nil, err
	}
	box, err := newBox(path, keys)
	if err != nil {
		return keyFile{}, nil, unusable(path, "is damaged", err)
	}
	return keys, box, nil
}

// Rotate adds a key to the file, with which values are sealed from then on; those that were sealed before still open, and fingerprints do
// not change. A process uses it from its next start, and one that still runs with the old file cannot open what is sealed with the
// new key: stop all of them first. The error is portal.ErrConflict while another Rotate runs, or those of Load.
func Rotate(path string) error {
	lock := path + ".lock"
	f, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("rotating key file %s: %w: another rotation runs; if none does, remove %s", path, portal.ErrConflict, lock)
	}
	if err != nil {
		return fmt.Errorf("rotating key file %s: %w", path, err)
	}
	defer os.Remove(lock)
	defer f.Close()

	keys, _, err := load(path)
	if err != nil {
		return err
	}
	if err := keys.addPrimary(); err != nil {
		return fmt.Errorf("rotating key file %s: %w", path, err)
	}
	if err := keys.write(path, os.Rename); err != nil {
		return fmt.Errorf("rotating key file %s: %w", path, err)
	}
	return nil
}

// unusable is the error of a key file that is there but cannot be used.
func unusable(path, why string, cause error) error {
	err := fmt.Errorf("key file %s: %w: it %s; restore it from your copy, or, only if no database uses it, remove it and start again",
		path, portal.ErrInvalid, why)
	if cause != nil {
		err = fmt.Errorf("%w (%w)", err, cause)
	}
	return err
}

// keyFile is what the file holds. The keys of fingerprints have a keyset of their own, since they must not change when the
// sealing key does.
type keyFile struct {
	sealing      *keyset.Handle
	fingerprints *keyset.Handle
}

// keyFileJSON is how the file is written. Both keysets are in Tink's JSON form.
type keyFileJSON struct {
	Comment      string          `json:"comment"`
	Version      int             `json:"version"`
	Sealing      json.RawMessage `json:"sealing"`
	Fingerprints json.RawMessage `json:"fingerprints"`
}

const (
	keyFileVersion  = 1
	maxKeyFileBytes = 1 << 20
	comment         = "Master key of Concierge. Whoever has it can read the secrets in the database; without it they are lost. " +
		"Keep a copy apart from the backups of the database."
)

func newKeyFile() (keyFile, error) {
	sealing, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return keyFile{}, err
	}
	fingerprints, err := keyset.NewHandle(prf.HKDFSHA256PRFKeyTemplate())
	return keyFile{sealing, fingerprints}, err
}

func (k *keyFile) addPrimary() error {
	manager := keyset.NewManagerFromHandle(k.sealing)
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	if err := manager.SetPrimary(id); err != nil {
		return err
	}
	k.sealing, err = manager.Handle()
	return err
}

func readKeyFile(path string) (keyFile, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return keyFile{}, fmt.Errorf("key file %s: %w; restore it from your copy, or name the right one in the configuration", path, portal.ErrNotFound)
	}
	if err != nil {
		return keyFile{}, fmt.Errorf("key file %s: %w: let the user that runs the portal read it: %w", path, portal.ErrInvalid, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return keyFile{}, fmt.Errorf("key file %s: %w", path, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return keyFile{}, fmt.Errorf("key file %s: %w: it is not a file; name a file in the configuration", path, portal.ErrInvalid)
	case info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" && !credential(path): // there, the folder's access list decides
		return keyFile{}, fmt.Errorf("key file %s: %w: others may access it (mode %#o); run: chmod 600 %s", path, portal.ErrInvalid, info.Mode().Perm(), path)
	case info.Size() == 0:
		return keyFile{}, unusable(path, "is empty", nil)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFileBytes))
	if err != nil {
		return keyFile{}, fmt.Errorf("key file %s: %w", path, err)
	}
	return parseKeyFile(path, data)
}

// credential reports whether systemd gave the file to this service alone. It does so by an access list, which the group's part of
// the mode then stands for (systemd.exec(5), LoadCredential=, version 252).
func credential(path string) bool {
	folder := os.Getenv("CREDENTIALS_DIRECTORY")
	return folder != "" && filepath.Dir(path) == filepath.Clean(folder)
}

func parseKeyFile(path string, data []byte) (keyFile, error) {
	var in keyFileJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return keyFile{}, unusable(path, "is damaged", nil) // the cause may quote key material
	}
	if in.Version != keyFileVersion {
		return keyFile{}, fmt.Errorf("key file %s: %w: it has version %d and this program reads %d; use the program that made it, or a newer one",
			path, portal.ErrInvalid, in.Version, keyFileVersion)
	}
	sealing, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(in.Sealing)))
	if err != nil {
		return keyFile{}, unusable(path, "is damaged", nil)
	}
	fingerprints, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(in.Fingerprints)))
	if err != nil {
		return keyFile{}, unusable(path, "is damaged", nil)
	}
	return keyFile{sealing, fingerprints}, nil
}

func (k keyFile) marshal() ([]byte, error) {
	out := keyFileJSON{Comment: comment, Version: keyFileVersion}
	for handle, into := range map[*keyset.Handle]*json.RawMessage{k.sealing: &out.Sealing, k.fingerprints: &out.Fingerprints} {
		var buf bytes.Buffer
		if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&buf)); err != nil {
			return nil, err
		}
		*into = buf.Bytes()
	}
	return json.MarshalIndent(out, "", "  ")
}

// write writes the file beside path, makes it durable, and puts it there with place (os.Link or os.Rename), which happens whole or not at
// all. A crash before that leaves a file PATH.*.new, which nothing reads.
func (k keyFile) write(path string, place func(from, to string) error) error {
	data, err := k.marshal()
	if err != nil {
		return err
	}
	temporary := path + "." + rand.Text()[:8] + ".new"
	if err := writeDurably(temporary, data); err != nil {
		return err
	}
	err = place(temporary, path)
	if removeErr := os.Remove(temporary); err == nil && !errors.Is(removeErr, fs.ErrNotExist) {
		err = removeErr
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func writeDurably(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncFolder makes the new name durable. Windows has no such call and needs none.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
