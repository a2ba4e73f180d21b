package access

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// MaxTokenLength bounds what is taken for a token. A ServiceAccount's has about 1 KiB.
const MaxTokenLength = 8 << 10

const bearerScheme = "bearer"

// bearer is the token of a request (RFC 6750 section 2.1). What cannot be a ServiceAccount's
// token is refused here, so that nonsense costs the API server nothing.
func bearer(header http.Header) (string, error) {
	values := header.Values("Authorization")
	switch {
	case len(values) == 0 || (len(values) == 1 && values[0] == ""):
		return "", ErrNoToken
	case len(values) > 1:
		return "", ErrInvalidToken
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, bearerScheme) {
		return "", ErrInvalidToken
	}
	token = strings.TrimLeft(token, " ")
	if !looksLikeToken(token) {
		return "", ErrInvalidToken
	}
	return token, nil
}

// looksLikeToken tells whether a text has the form of a signed JWT: three parts in base64url
// (RFC 7515 section 7.1). Whether it is genuine is the API server's to say.
func looksLikeToken(text string) bool {
	if len(text) > MaxTokenLength {
		return false
	}
	length, parts := 0, 1
	for i := range len(text) {
		switch c := text[i]; {
		case base64URL[c]:
			length++
		case c == '.' && length > 0:
			length, parts = 0, parts+1
		default:
			return false
		}
	}
	return parts == 3 && length > 0
}

// base64URL has the digits of base64url (RFC 4648 section 5). Every request has a thousand of them.
var base64URL = func() (is [256]bool) {
	for _, digit := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		is[digit] = true
	}
	return is
}()

// boundSecret is the Secret that a token ends with.
type boundSecret struct {
	Namespace string    `json:"-"`
	Name      string    `json:"name"`
	UID       types.UID `json:"uid"`
}

// isSession tells whether a Secret can be that of a session, by its name.
func (b boundSecret) isSession() bool {
	return strings.HasPrefix(b.Name, sessionPrefix) && len(validation.IsDNS1123Label(b.Name)) == 0 &&
		len(validation.IsDNS1123Label(b.Namespace)) == 0
}

// claims are what a token says of itself.
type claims struct {
	// Expires is in seconds since 1970 (RFC 7519 section 4.1.4); 0 where it is not told.
	Expires    float64 `json:"exp"`
	Kubernetes struct {
		Namespace string       `json:"namespace"`
		Secret    *boundSecret `json:"secret"`
	} `json:"kubernetes.io"`
}

// claimsOf believes what the token says, so the token must have been reviewed.
func claimsOf(token string) (claims, error) {
	var payload claims
	_, rest, _ := strings.Cut(token, ".")
	middle, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(middle)
	if err != nil {
		return claims{}, fmt.Errorf("decoding the token's payload: %w", err)
	}
	if err := json.Unmarshal(text, &payload); err != nil {
		return claims{}, fmt.Errorf("reading the token's payload: %w", err)
	}
	return payload, nil
}

// secretOf is the Secret that a token is bound to, and false where it is bound to none. The
// token must have been reviewed.
func secretOf(token string) (boundSecret, bool, error) {
	payload, err := claimsOf(token)
	if err != nil {
		return boundSecret{}, false, err
	}
	secret := payload.Kubernetes.Secret
	if secret == nil {
		return boundSecret{}, false, nil
	}
	secret.Namespace = payload.Kubernetes.Namespace
	return *secret, true, nil
}
