package manager

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// FuzzReadConfig: a file that is taken says all that it was taken for: written out again, it is
// read as the same. One that is not taken is refused in words.
func FuzzReadConfig(f *testing.F) {
	for _, seed := range []string{
		"namespace: esim-system\nworkers: 64\npace:\n  transient: {initial: 1s, max: 5m}\n",
		"leaderElection: {enabled: true, leaseDuration: 15s}\n", "workers: -1\n", "workers: 1e99\n", "breaker: {failures: 0}\n",
		"mail:\n  host: smtp.example.com\n  from: esim@example.com\n", "webhooks: {allowedNetworks: [10.0.0.0/8, x]}\n",
		"notifications: {bindAddress: \":9443\"}\nvendorWebhooks: {bindAddress: \":9444\", trustedProxies: [10.0.0.7/32]}\n",
		"a: &a [x, x]\nb: *a\n", "logLevel: loud\n", "", "[]", "\x00",
	} {
		f.Add([]byte(seed))
	}
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(folder, "config.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		config, err := ReadConfig([]string{"--config", file})
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
		again, err := ReadConfig([]string{"--config", file})
		if diff := cmp.Diff(config, again); err != nil || diff != "" {
			t.Fatalf("read again: %v, (-first +again):\n%s", err, diff)
		}
	})
}
