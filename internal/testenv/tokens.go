package testenv

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ResignToken changes the claims of a ServiceAccount's token and signs it anew with the control
// plane's own key (ES256, RFC 7518 section 3.4), as only the API server can: for tokens that it
// gives to nobody, such as one that has expired.
func (e *Environment) ResignToken(token string, change func(claims map[string]any)) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("signing a token anew: it is no JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", fmt.Errorf("decoding a token's claims: %w", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", fmt.Errorf("reading a token's claims: %w", err)
	}
	change(claims)
	if payload, err = json.Marshal(claims); err != nil {
		return "", fmt.Errorf("writing a token's claims: %w", err)
	}
	key, err := e.tokenKey()
	if err != nil {
		return "", err
	}
	signed := parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload)
	hash := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, hash[:])
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// tokenKey is what the API server signs the tokens of ServiceAccounts with.
func (e *Environment) tokenKey() (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(filepath.Join(e.plane.ControlPlane.GetAPIServer().CertDir, "sa-signer.key"))
	if err != nil {
		return nil, fmt.Errorf("reading the key of ServiceAccounts' tokens: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the key of ServiceAccounts' tokens is not in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the key of ServiceAccounts' tokens: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key of ServiceAccounts' tokens is of type %T, and not for ES256", parsed)
	}
	return key, nil
}
