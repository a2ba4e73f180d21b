package facade_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/internal/facade"
)

// FuzzReadConfig: a file that is taken says all that it was taken for: written out again, it is
// read as the same. One that is not taken is refused in words.
func FuzzReadConfig(f *testing.F) {
	for _, seed := range []string{
		"bindAddress: :8080\ntls: {certFile: /tls.crt, keyFile: /tls.key}\n", "tls: {certFile: x}\n",
		"trustedProxies: [10.0.0.0/8, 10.0.0.7]\n", "rateLimits: {read: -1}\n", "rateLimits: {order: 60}\nmaxConnections: 10\n",
		"callTimeout: -5s\n", "callTimeout: 9e99h\n", "a: &a [x, x]\nb: *a\n", "logLevel: loud\n", "", "[]", "\x00",
	} {
		f.Add([]byte(seed))
	}
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(folder, "config.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		config, err := facade.ReadConfig([]string{"--config", file})
		if err != nil {
			if err.Error() == "" {
				t.Fatal("refused without a word")
			}
			return
		}
		written, err := yaml.Marshal(config)
		if err != nil {
			t.Fatalf("it cannot be written: %v", err)
		}
		if err := os.WriteFile(file, written, 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := facade.ReadConfig([]string{"--config", file})
		if diff := cmp.Diff(config, again); err != nil || diff != "" {
			t.Fatalf("read again: %v, (-first +again):\n%s", err, diff)
		}
	})
}
