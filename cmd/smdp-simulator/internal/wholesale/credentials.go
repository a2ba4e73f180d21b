package wholesale

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of credentials: what the Secrets of EsimOperators hold under the same names.
const (
	keyZendit       = "api-key"
	keyAccessCode   = "access-code"
	keySecret       = "secret-key"
	keyClientID     = "client-id"
	keyClientSecret = "client-secret"

	credentialSize = 16
)

// openCredentials reads each file of a folder, and draws what is not there.
func openCredentials(folder string, names []string) (map[string]string, error) {
	found := make(map[string]string, len(names))
	for _, name := range names {
		path := filepath.Join(folder, name)
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			drawn := make([]byte, credentialSize)
			if _, err := rand.Read(drawn); err != nil {
				return nil, fmt.Errorf("draw %s: %w", name, err)
			}
			content = []byte(hex.EncodeToString(drawn))
			err = writeFile(path, content)
		}
		if err != nil {
			return nil, err
		}
		if content = bytes.TrimSpace(content); len(content) == 0 {
			return nil, fmt.Errorf("%s is empty; remove it to have it made again", path)
		}
		found[name] = string(content)
	}
	return found, nil
}

// writeFile replaces a file that only its owner may read.
func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	if err := errors.Join(os.WriteFile(path+".new", content, 0o600), os.Rename(path+".new", path)); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	return nil
}
