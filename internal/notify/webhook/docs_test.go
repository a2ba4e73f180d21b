package webhook

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The examples of the guide are run as readers would run them.

// documented is the example in a language.
func documented(t *testing.T, language string) string {
	t.Helper()
	guide, err := os.ReadFile("../../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(guide), "```"+language+"\n")
	code, _, ended := strings.Cut(after, "```")
	if !found || !ended {
		t.Fatalf("the guide has no example in %s", language)
	}
	return code
}

// verdictCase is a request that an example is to judge at the time of exampleTimestamp.
type verdictCase struct {
	Secrets                  []string
	ID, Timestamp, Signature string
	Body                     []byte
	want                     bool
	name                     string
}

func verdictCases(t *testing.T) []verdictCase {
	body := []byte(exampleBody + " é")
	headers := sign(mustSecrets(t, exampleSecret, otherSecret), "evt_1", now, body)
	both := headers.Get(HeaderSignature)
	base := verdictCase{[]string{exampleSecret}, "evt_1", headers.Get(HeaderTimestamp), both, body, true, "signed"}
	change := func(name string, want bool, change func(*verdictCase)) verdictCase {
		c := base
		change(&c)
		c.name, c.want = name, want
		return c
	}
	return []verdictCase{
		base,
		change("published", true, func(c *verdictCase) { c.ID, c.Signature, c.Body = exampleID, exampleSignature, []byte(exampleBody) }),
		change("the second secret", true, func(c *verdictCase) { c.Secrets = []string{otherSecret} }),
		change("both secrets, one signature", true, func(c *verdictCase) {
			c.Secrets, c.Signature = []string{exampleSecret, otherSecret}, strings.Fields(both)[1]
		}),
		change("other body", false, func(c *verdictCase) { c.Body = []byte(exampleBody) }),
		change("other ID", false, func(c *verdictCase) { c.ID = "evt_2" }),
		change("other time", false, func(c *verdictCase) { c.Timestamp = "1614265331" }),
		change("other secret", false, func(c *verdictCase) {
			c.Secrets = []string{SecretPrefix + base64.StdEncoding.EncodeToString(make([]byte, 24))}
		}),
		change("no secret", false, func(c *verdictCase) { c.Secrets = []string{} }),
		change("no time", false, func(c *verdictCase) { c.Timestamp = "" }),
		change("no number", false, func(c *verdictCase) { c.Timestamp = "soon" }),
		change("no signature", false, func(c *verdictCase) { c.Signature = "" }),
		change("no base64", false, func(c *verdictCase) { c.Signature = "v1,é v1," }),
		change("replay", false, func(c *verdictCase) {
			old := sign(mustSecrets(t, exampleSecret), "evt_1", now.Add(-301e9), body)
			c.Timestamp, c.Signature = old.Get(HeaderTimestamp), old.Get(HeaderSignature)
		}),
	}
}

// judge has a program read the cases and write its verdicts.
func judge(t *testing.T, program *exec.Cmd) {
	t.Helper()
	cases := verdictCases(t)
	input, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	program.Stdin = strings.NewReader(string(input))
	output, err := program.Output()
	if err != nil {
		if exit, found := errors.AsType[*exec.ExitError](err); found {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var verdicts []bool
	if err := json.Unmarshal(output, &verdicts); err != nil || len(verdicts) != len(cases) {
		t.Fatalf("%v: %s", err, output)
	}
	want, got := map[string]bool{}, map[string]bool{}
	for i, c := range cases {
		want[c.name], got[c.name] = c.want, verdicts[i]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

func TestTheGuidesExampleInPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here")
	}
	const driver = `
import json, sys
time.time = lambda: 1614265330.0
print(json.dumps([signed(c["Secrets"], {"webhook-id": c["ID"], "webhook-timestamp": c["Timestamp"], "webhook-signature": c["Signature"]},
                         base64.b64decode(c["Body"])) for c in json.load(sys.stdin)]))
`
	judge(t, exec.CommandContext(t.Context(), python, "-I", "-c", documented(t, "python")+driver))
}

func TestTheGuidesExampleInGo(t *testing.T) {
	const driver = `package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	var cases []struct {
		Secrets                  []string
		ID, Timestamp, Signature string
		Body                     []byte
	}
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	verdicts := []bool{}
	for _, c := range cases {
		header := http.Header{}
		header.Set("webhook-id", c.ID)
		header.Set("webhook-timestamp", c.Timestamp)
		header.Set("webhook-signature", c.Signature)
		verdicts = append(verdicts, signed(c.Secrets, header, c.Body, time.Unix(1614265330, 0)))
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		panic(err)
	}
}

`
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(driver+documented(t, "go")), 0o600); err != nil {
		t.Fatal(err)
	}
	judge(t, exec.CommandContext(t.Context(), "go", "run", file))
}
