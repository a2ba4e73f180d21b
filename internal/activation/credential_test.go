package activation_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/davecgh/go-spew/spew"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega/format"
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/internal/activation"
)

// text is a credential that no printer produces by accident. Printers may also write it as
// bytes, so those forms are searched for too.
const text = "K3TQX9ZW7VJ2M4PBN8RD"

type holder struct {
	Shown  activation.Credential
	hidden activation.Credential
}

// keep the linter's and the reader's mind at rest: hidden is there to be printed.
func (h holder) hiddenIsEmpty() bool { return h.hidden.Empty() }

func mustNotShow(t *testing.T, how, printed string) {
	t.Helper()
	for _, form := range []string{
		text,
		fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), fmt.Sprintf("% x", text),
		strings.Trim(fmt.Sprint([]byte(text)), "[]"),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(text)), "[]byte{"), "}"),
	} {
		if strings.Contains(printed, form) {
			t.Errorf("%s shows the credential: %s", how, printed)
		}
	}
}

func TestNoVerbOfFmtShowsACredential(t *testing.T) {
	credential := activation.NewCredential(text)
	nested := holder{Shown: credential, hidden: credential}
	if nested.hiddenIsEmpty() {
		t.Fatal("the unexported field lost its credential")
	}
	values := map[string]any{
		"value": credential, "pointer": &credential, "reveal": credential.Reveal,
		"struct": nested, "pointer to struct": &nested,
		"slice": []activation.Credential{credential}, "map": map[string]holder{"x": nested},
		"interface": []any{nested, &credential},
		"error":     fmt.Errorf("wrapped: %w", errors.New(fmt.Sprint(credential))),
	}
	for verb := '!'; verb <= '~'; verb++ {
		for _, flags := range []string{"", "+", "#", "-", " ", "0", "40.30", "+#"} {
			for name, value := range values {
				directive := "%" + flags + string(verb)
				mustNotShow(t, directive+" of a "+name, fmt.Sprintf(directive, value))
			}
		}
	}
}

func TestACredentialPrintsAsItsMask(t *testing.T) {
	full, empty := activation.NewCredential(text), activation.Credential{}
	for _, tc := range []struct{ verb, full, empty string }{
		{"%s", "********", ""},
		{"%v", "********", ""},
		{"%+v", "********", ""},
		{"%q", `"********"`, `""`},
		{"%#v", `"********"`, `""`},
		{"%x", "********", ""},
		{"%d", "********", ""},
	} {
		if diff := cmp.Diff([]string{tc.full, tc.empty},
			[]string{fmt.Sprintf(tc.verb, full), fmt.Sprintf(tc.verb, empty)}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.verb, diff)
		}
	}
}

func TestNoEncodingShowsACredential(t *testing.T) {
	credential := activation.NewCredential(text)
	nested := holder{Shown: credential, hidden: credential}

	asJSON, err := json.Marshal(map[string]any{"a": credential, "b": nested, "c": &nested})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(asJSON), `{"a":"********","b":{"Shown":"********"},"c":{"Shown":"********"}}`; got != want {
		t.Errorf("JSON is %s, want %s", got, want)
	}
	asYAML, err := yaml.Marshal(nested)
	if err != nil {
		t.Fatal(err)
	}
	mustNotShow(t, "YAML", string(asYAML))
	asXML, err := xml.Marshal(nested)
	if err != nil {
		t.Fatal(err)
	}
	mustNotShow(t, "XML", string(asXML))
}

func TestAMaskIsNotReadBackAsACredential(t *testing.T) {
	var back holder
	if err := json.Unmarshal([]byte(`{"Shown":"********"}`), &back); err == nil {
		t.Errorf("a printed mask was accepted as the credential %q", back.Shown.Reveal())
	}
}

func TestNoLoggerShowsACredential(t *testing.T) {
	credential := activation.NewCredential(text)
	nested := holder{Shown: credential, hidden: credential}

	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("bought", "credential", credential, "nested", nested, "pointer", &nested,
			"group", slog.GroupValue(slog.Any("inner", credential)))
	}
	lines := func(prefix, args string) { out.WriteString(prefix + args + "\n") }
	funcr.New(lines, funcr.Options{}).Info("bought", "credential", credential, "nested", nested, "pointer", &nested)
	funcr.NewJSON(func(line string) { out.WriteString(line) }, funcr.Options{}).Info("bought", "credential", credential, "nested", nested)

	zap := zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg"})
	for key, value := range map[string]any{"credential": credential, "nested": nested} {
		if err := zap.AddReflected(key, value); err != nil {
			t.Fatal(err)
		}
	}
	line, err := zap.EncodeEntry(zapcore.Entry{Message: "bought"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(line.Bytes())

	mustNotShow(t, "a log", out.String())
	if !strings.Contains(out.String(), activation.Mask) {
		t.Error("no log shows the mask, so it was not the credentials that were logged")
	}
}

func TestNoReflectingPrinterShowsACredential(t *testing.T) {
	credential := activation.NewCredential(text)
	nested := &holder{Shown: credential, hidden: credential}
	methodless := spew.ConfigState{Indent: " ", DisableMethods: true}
	for how, printed := range map[string]string{
		"spew":                 spew.Sdump(nested) + spew.Sprintf("%#+v", nested),
		"spew without methods": methodless.Sdump(nested),
		"gomega":               format.Object(nested, 1) + format.Message(nested, "to equal", credential),
		"cmp": cmp.Diff(*nested, holder{Shown: activation.NewCredential("OTHER")}, cmp.AllowUnexported(holder{})) +
			cmp.Diff(credential, activation.NewCredential("OTHER")),
	} {
		mustNotShow(t, how, printed)
		if printed == "" {
			t.Errorf("%s printed nothing", how)
		}
	}
}

func TestCredentialsAreComparedByTheirText(t *testing.T) {
	for _, tc := range []struct {
		name string
		a, b activation.Credential
		want bool
	}{
		{"same text, made twice", activation.NewCredential(text), activation.NewCredential(strings.Clone(text)), true},
		{"other text", activation.NewCredential(text), activation.NewCredential("K3TQX9ZW7VJ2M4PBN8RE"), false},
		{"a prefix", activation.NewCredential(text), activation.NewCredential(text[:10]), false},
		{"full and empty", activation.NewCredential(text), activation.Credential{}, false},
		{"empty and zero", activation.NewCredential(""), activation.Credential{}, true},
	} {
		if got := tc.a.Equal(tc.b); got != tc.want {
			t.Errorf("%s: Equal is %t, want %t", tc.name, got, tc.want)
		}
		if got := tc.b.Equal(tc.a); got != tc.want {
			t.Errorf("%s, the other way round: Equal is %t, want %t", tc.name, got, tc.want)
		}
	}
	if reflect.TypeFor[activation.Credential]().Comparable() {
		t.Error("credentials can be compared with ==, which leaks by timing and compares no text")
	}
}

func TestACredentialRevealsItsText(t *testing.T) {
	if got := activation.NewCredential(text).Reveal(); got != text {
		t.Error("Reveal does not return the text that was kept")
	}
	if !activation.NewCredential("").Empty() || activation.NewCredential(text).Empty() {
		t.Error("Empty does not tell whether there is a text")
	}
}
