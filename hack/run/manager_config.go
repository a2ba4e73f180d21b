//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/telcodev/esim-operator/hack/run/internal/supervise"
)

// usualManagerConfig is what the manager's configuration begins as. It is the user's from then
// on.
const usualManagerConfig = `# How the manager that ` + "`make run`" + ` starts is tuned. What is left out keeps its default.
# A change takes effect when the manager starts again: kill "$(cat manager.pid)" is enough.
logLevel: info
`

// configMark is where the user's part of the file ends.
const configMark = "# ---- What follows is written anew at each start of `make run`. ----\n"

// connectedConfig is what connects the manager to what runs beside it.
func connectedConfig(s settings) string {
	return fmt.Sprintf(`notifications:
  bindAddress: %q
  certDir: %q
mail:
  host: %q
  port: %s
  encryption: none
  from: eSIM shop <shop@example.com>
webhooks:
  allowedNetworks: [127.0.0.0/8]
  allowHTTP: true
`, s.address(notificationsPort), s.file("pki", notificationsFolder), host, s.port(smtpPort))
}

// writeManagerConfig keeps the user's part of manager.yaml, and brings ours up to date: ports
// may be others at each start.
func writeManagerConfig(s settings) error {
	path := s.file("manager.yaml")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = []byte(usualManagerConfig), nil
	}
	if err != nil {
		return fmt.Errorf("reading the manager's configuration: %w", err)
	}
	theirs, _, _ := strings.Cut(string(text), configMark)
	if theirs != "" && !strings.HasSuffix(theirs, "\n") {
		theirs += "\n"
	}
	return supervise.WriteFile(path, []byte(theirs+configMark+connectedConfig(s)))
}
