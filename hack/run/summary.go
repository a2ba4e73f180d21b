//go:build unix

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/telcodev/esim-operator/hack/run/internal/supervise"
)

// writeEnvironment writes the file that a shell sources to work with the cluster.
func (c *cluster) writeEnvironment(ctx context.Context) error {
	access, err := c.clientAccess(ctx)
	if err != nil {
		return err
	}
	return supervise.WriteFile(c.s.file("env"), []byte(environment(c.s, access)))
}

func environment(s settings, access clientAccess) string {
	var text strings.Builder
	fmt.Fprintln(&text, "# Source this to work with the cluster of `make run`: . "+s.shown(s.file("env")))
	for _, variable := range []struct{ name, value string }{
		{"KUBECONFIG", shellQuoted(s.file("kubeconfig"))},
		{"SMDP_CONTROL", shellQuoted("http://" + s.address(controlPort))},
		{"ESIM_MAILBOX", shellQuoted("http://" + s.address(mailboxPort))},
		{"ESIM_WEBHOOKS", shellQuoted("http://" + s.address(webhooksPort))},
		{"ESIM_API", shellQuoted("http://" + s.address(restPort))},
		{"ESIM_TOKEN", shellQuoted(access.token)},
		{"ESIM_API_KEY", shellQuoted(access.key)},
		{"ESIM_API_SECRET", shellQuoted(access.secret)},
		{"PATH", shellQuoted(s.file("bin")) + `:"$PATH"`},
	} {
		fmt.Fprintf(&text, "export %s=%s\n", variable.name, variable.value)
	}
	return text.String()
}

// shellQuoted is text as one word of a shell.
func shellQuoted(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// summary says what runs where, and what to type next.
func (c *cluster) summary() string {
	s := c.s
	return fmt.Sprintf(`
Ready. What runs:
  etcd            https://%s
  kube-apiserver  https://%s
  smdp-simulator  https://%s (ES2+), http://%s (control API; its front page explains it)
                  https://%s (Zendit), https://%s (eSIM Access), https://%s (Airalo)
  manager         http://%s/readyz, https://%s/metrics, https://%s (notifications of operators)
  facade          http://%s (REST API; /docs explains it, /console is for people), https://%s/metrics
  mailbox         http://%s (what customers get by e-mail)
  webhooks        http://%s (what the client is told of its orders)

Logs and PIDs are in %s. In another terminal, type:
  . %s
  kubectl -n acme apply -f config/samples/order.yaml
  kubectl -n acme wait --for=condition=Ready esimorder/trip-to-tokyo --timeout=30s
  kubectl get esim -A
  kubectl -n acme get secret trip-to-tokyo-activation -o jsonpath='{.data.activation-code}' | base64 -d
Or buy in a browser, at the console, with the API key ESIM_API_KEY and its ESIM_API_SECRET of that file.

No kube-controller-manager runs here: a deleted namespace stays Terminating, and the roles admin, edit
and view are empty. Ctrl-C ends everything; the state stays.
`,
		s.address(etcdPort), s.address(apiServerPort), s.address(es2plusPort), s.address(controlPort),
		s.address(zenditPort), s.address(esimAccessPort), s.address(airaloPort),
		s.address(healthPort), s.address(metricsPort), s.address(notificationsPort), s.address(restPort), s.address(restMetricsPort), s.address(mailboxPort), s.address(webhooksPort),
		s.shown(s.Dir), s.shown(s.file("env")))
}
