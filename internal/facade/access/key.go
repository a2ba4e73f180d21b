package access

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/telcodev/esim-operator/internal/activation"
)

const (
	// KeySecretType is that of the Secret in which an API key is kept.
	KeySecretType corev1.SecretType = "esim.telco.dev/api-key"
	// KeyLabel finds the API keys of a namespace. Its value is the end of the key.
	KeyLabel = "esim.telco.dev/api-key"

	keySecretPrefix = "esim-api-key-"
	// keyHash is the key, in the Secret, of the bcrypt hash.
	keyHash = "secret-hash"
	// hashCost is that of every hash: another one would tell by the time it takes that
	// there is such a key.
	hashCost = bcrypt.DefaultCost
	// maxSecretLength is what bcrypt can tell apart.
	maxSecretLength = 72

	keyBytes    = 10
	secretBytes = 30
)

// lowerBase32 writes random bytes in what the names of Kubernetes may be made of.
var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// APIKey is a new key with its secret. The secret is not kept anywhere.
type APIKey struct {
	// Key is <namespace>.<random>: the username at /auth/login.
	Key string
	// Secret is the password, of 240 bits.
	Secret activation.Credential
	// Object holds the secret's hash. The key is good once this is created.
	Object *corev1.Secret
}

// NewAPIKey makes a key for the client that a namespace is, from random bytes.
func NewAPIKey(random io.Reader, namespace string) (*APIKey, error) {
	if faults := validation.IsDNS1123Label(namespace); len(faults) > 0 {
		return nil, fmt.Errorf("namespace %q: %s", namespace, strings.Join(faults, "; "))
	}
	raw := make([]byte, keyBytes+secretBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return nil, fmt.Errorf("making an API key: %w", err)
	}
	id, secret := lowerBase32.EncodeToString(raw[:keyBytes]), lowerBase32.EncodeToString(raw[keyBytes:])
	hash, err := bcrypt.GenerateFromPassword([]byte(secret), hashCost)
	if err != nil {
		return nil, fmt.Errorf("hashing the secret of an API key: %w", err)
	}
	return &APIKey{
		Key:    namespace + "." + id,
		Secret: activation.NewCredential(secret),
		Object: &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: keySecretPrefix + id, Labels: map[string]string{KeyLabel: id},
			},
			Type: KeySecretType,
			Data: map[string][]byte{keyHash: hash},
		},
	}, nil
}

// parseKey takes an API key apart. False where nobody can have been given it.
func parseKey(key string) (namespace, name string, ok bool) {
	namespace, id, found := strings.Cut(key, ".")
	if !found || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Label(id)) > 0 {
		return "", "", false
	}
	return namespace, keySecretPrefix + id, true
}

// keyring checks API keys.
type keyring struct {
	secrets corev1client.SecretsGetter
	// compare is bcrypt's, but in tests.
	compare func(hash, password []byte) error
	// nobodys is the hash that a secret is held against where there is no such key.
	nobodys []byte
	// slots bound how much of the machine goes into hashing.
	slots chan struct{}
}

func newKeyring(random io.Reader, secrets corev1client.SecretsGetter) (*keyring, error) {
	nobody, err := NewAPIKey(random, "nobody")
	if err != nil {
		return nil, err
	}
	return &keyring{
		secrets: secrets,
		compare: bcrypt.CompareHashAndPassword,
		nobodys: nobody.Object.Data[keyHash],
		slots:   make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
	}, nil
}

// check is the Secret of the API key, if this is its secret; ErrInvalidCredentials, after the
// same work, whatever is wrong.
func (k *keyring) check(ctx context.Context, key, secret string) (*corev1.Secret, error) {
	kept, err := k.find(ctx, key)
	if err != nil {
		return nil, err
	}
	hash := k.nobodys
	if kept != nil {
		hash = kept.Data[keyHash]
	}
	if len(secret) > maxSecretLength {
		hash, secret, kept = k.nobodys, "", nil
	}
	select {
	case k.slots <- struct{}{}:
		defer func() { <-k.slots }()
	case <-ctx.Done():
		return nil, unavailable(fmt.Errorf("waiting to check an API key: %w", ctx.Err()))
	}
	if err := k.compare(hash, []byte(secret)); err != nil || kept == nil {
		return nil, ErrInvalidCredentials
	}
	return kept, nil
}

// find is the Secret of an API key, nil where there is none, or none that can be used.
func (k *keyring) find(ctx context.Context, key string) (*corev1.Secret, error) {
	namespace, name, ok := parseKey(key)
	if !ok {
		return nil, nil //nolint:nilnil // no key, which is no error yet: see check.
	}
	kept, err := k.secrets.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		// Where the facade may not look there is no client.
		return nil, nil //nolint:nilnil // as above.
	case err != nil:
		return nil, unavailable(fmt.Errorf("getting an API key: %w", err))
	}
	if fault := usable(kept); fault != nil {
		log.FromContext(ctx).Error(fault, "An API key cannot be used; make another and delete this one",
			"namespace", namespace, "secret", name)
		return nil, nil //nolint:nilnil // as above.
	}
	return kept, nil
}

// usable tells what is wrong with the Secret of an API key.
func usable(kept *corev1.Secret) error {
	if kept.Type != KeySecretType {
		return fmt.Errorf("its type is %q, not %s", kept.Type, KeySecretType)
	}
	cost, err := bcrypt.Cost(kept.Data[keyHash])
	if err != nil {
		return errors.New(keyHash + " is not a bcrypt hash")
	}
	if cost != hashCost {
		return fmt.Errorf("the cost of its hash is %d, not %d", cost, hashCost)
	}
	return nil
}
