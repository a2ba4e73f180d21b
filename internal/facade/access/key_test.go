package access

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func newKey(t *testing.T, namespace string) *APIKey {
	t.Helper()
	key, err := NewAPIKey(rand.Reader, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestAWrongKeyTakesTheSameWork counts what takes the time: one bcrypt of one cost, whatever
// is wrong.
func TestAWrongKeyTakesTheSameWork(t *testing.T) {
	good, cheap, foreign := newKey(t, "acme"), newKey(t, "acme"), newKey(t, "acme")
	hash, err := bcrypt.GenerateFromPassword([]byte(cheap.Secret.Reveal()), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	cheap.Object.Data[keyHash] = hash
	foreign.Object.Type = corev1.SecretTypeOpaque
	kube := fake.NewClientset(good.Object, cheap.Object, foreign.Object)
	kube.PrependReactor("get", "secrets", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.GetNamespace() != "stranger" {
			return false, nil, nil
		}
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", errors.New("no RoleBinding"))
	})
	tests := map[string]struct {
		key, secret string
		want        error
	}{
		"the right secret":               {good.Key, good.Secret.Reveal(), nil},
		"a wrong secret":                 {good.Key, cheap.Secret.Reveal(), ErrInvalidCredentials},
		"an empty secret":                {good.Key, "", ErrInvalidCredentials},
		"the right secret with an end":   {good.Key, good.Secret.Reveal() + strings.Repeat("x", 100), ErrInvalidCredentials},
		"a key that is not there":        {"acme.aaaaaaaaaaaaaaaa", good.Secret.Reveal(), ErrInvalidCredentials},
		"a namespace that is no client":  {"stranger.aaaaaaaaaaaaaaaa", good.Secret.Reveal(), ErrInvalidCredentials},
		"a key that is none":             {"ann@example.com", good.Secret.Reveal(), ErrInvalidCredentials},
		"a key of a megabyte":            {"acme." + strings.Repeat("a", 1<<20), good.Secret.Reveal(), ErrInvalidCredentials},
		"a hash that was made too cheap": {cheap.Key, cheap.Secret.Reveal(), ErrInvalidCredentials},
		"a Secret of another type":       {foreign.Key, foreign.Secret.Reveal(), ErrInvalidCredentials},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ring, err := newKeyring(rand.Reader, kube.CoreV1())
			if err != nil {
				t.Fatal(err)
			}
			var work []string
			compare := ring.compare
			ring.compare = func(hash, password []byte) error {
				cost, err := bcrypt.Cost(hash)
				work = append(work, fmt.Sprint("bcrypt of cost ", cost, " ", err))
				return compare(hash, password)
			}
			kept, err := ring.check(t.Context(), test.key, test.secret)
			if !errors.Is(err, test.want) || (kept != nil) != (test.want == nil) {
				t.Errorf("refused with %v, want %v", err, test.want)
			}
			if diff := cmp.Diff([]string{"bcrypt of cost 10 <nil>"}, work); diff != "" {
				t.Errorf("work: -want +got:\n%s", diff)
			}
		})
	}
}

func TestAnOutageIsNoWrongKey(t *testing.T) {
	key := newKey(t, "acme")
	kube := fake.NewClientset(key.Object)
	kube.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewInternalError(errors.New("etcd is away"))
	})
	ring, err := newKeyring(rand.Reader, kube.CoreV1())
	if err != nil {
		t.Fatal(err)
	}
	_, err = ring.check(t.Context(), key.Key, key.Secret.Reveal())
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Reason != Unavailable || refusal.RetryAfter <= 0 {
		t.Errorf("refused with %v", err)
	}
}

func TestAKeysSecretIsNotInItsSecret(t *testing.T) {
	key, other := newKey(t, "acme"), newKey(t, "acme")
	if printed := fmt.Sprintf("%+v %s", key, key.Object); strings.Contains(printed, key.Secret.Reveal()) {
		t.Error("the secret of an API key is printed")
	}
	if key.Key == other.Key || key.Secret.Equal(other.Secret) {
		t.Error("two keys are one")
	}
	if _, err := NewAPIKey(rand.Reader, "Not a namespace"); err == nil {
		t.Error("a key is made for what can be no client")
	}
	if _, err := NewAPIKey(strings.NewReader("short"), "acme"); err == nil {
		t.Error("a key is made without randomness")
	}
}

// FuzzParseKey looks for keys that lead to a Secret which is no API key's.
func FuzzParseKey(f *testing.F) {
	f.Add("acme.aaaaaaaaaaaaaaaa")
	f.Add("acme.../../default/secrets/x")
	f.Add(".")
	f.Fuzz(func(t *testing.T, key string) {
		namespace, name, ok := parseKey(key)
		if !ok {
			return
		}
		if namespace+"."+strings.TrimPrefix(name, keySecretPrefix) != key || strings.ContainsAny(namespace+name, "./%?") {
			t.Fatalf("%q leads to %s/%s", key, namespace, name)
		}
	})
}
