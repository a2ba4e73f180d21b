package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/telcodev/esim-operator/internal/activation"
)

// SecretPrefix is what a signing secret begins with.
const SecretPrefix = "whsec_"

const (
	// minKey and maxKey bound a signing key in bytes (Standard Webhooks, "Signature scheme").
	minKey = 24
	maxKey = 64
	// maxSecrets bounds the signatures of a request. A rotation needs two.
	maxSecrets = 10
)

// Secret is a key that events are signed with. It prints itself masked; Reveal is the key's
// bytes. The zero value signs and verifies nothing.
type Secret struct {
	activation.Credential
}

// ParseSecrets reads all values of a Kubernetes Secret as signing secrets, in the order of
// their keys: each is whsec_ followed by 24 to 64 bytes in base64. White space around a value
// is passed over, because files end with a newline. The error names the key that is wrong and
// never what it holds.
func ParseSecrets(data map[string][]byte) ([]Secret, error) {
	switch {
	case len(data) == 0:
		return nil, errors.New("no signing secret: put at least one value into the Secret, whsec_ followed by 24 to 64 random bytes in base64")
	case len(data) > maxSecrets:
		return nil, fmt.Errorf("%d signing secrets are too many: keep at most %d in the Secret", len(data), maxSecrets)
	}
	secrets := make([]Secret, 0, len(data))
	for _, key := range slices.Sorted(maps.Keys(data)) {
		secret, err := parseSecret(data[key])
		if err != nil {
			return nil, fmt.Errorf("signing secret %s: %w", nameOf(key), err)
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

// nameOf a Secret's key, which somebody may have taken for the place of the value.
func nameOf(key string) string {
	if strings.Contains(key, SecretPrefix) {
		return "(its key in the Secret holds whsec_ and is not shown: the signing secret belongs into the value)"
	}
	return fmt.Sprintf("%.64q", key)
}

func parseSecret(value []byte) (Secret, error) {
	encoded, found := strings.CutPrefix(strings.TrimSpace(string(value)), SecretPrefix)
	if !found {
		return Secret{}, errors.New("must begin with whsec_")
	}
	if len(encoded) > base64.StdEncoding.EncodedLen(maxKey) {
		return Secret{}, fmt.Errorf("must be at most %d bytes in base64 after whsec_", maxKey)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		// The decoder's own error tells where, which would tell of the secret.
		return Secret{}, errors.New("must be base64 with padding after whsec_")
	}
	if len(key) < minKey || len(key) > maxKey {
		return Secret{}, fmt.Errorf("must be %d to %d bytes in base64 after whsec_, not %d", minKey, maxKey, len(key))
	}
	return Secret{activation.NewCredential(string(key))}, nil
}
