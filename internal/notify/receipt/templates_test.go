package receipt_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/internal/notify/receipt"
)

func TestAnOverrideTakesTheBuiltInOnesPlace(t *testing.T) {
	templates, err := receipt.Parse(map[string]string{
		"delivered.subject": "{{/* short */}}Hello\r\n{{if and .Product (ne .Country \"\")}}{{.Product}}{{else}}eSIM{{end}}",
		"delivered.html":    "<p>{{.Product}} {{or .Refund \"no refund\"}} {{if not .UserFixable}}!{{end}}</p>",
	})
	if err != nil {
		t.Fatal(err)
	}
	r := delivered()
	r.ProductName = "Fish & <b>Chips</b>"
	message, err := templates.Render(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := "Hello Fish & <b>Chips</b>"; message.Subject != want {
		t.Errorf("the subject is %q, want %q", message.Subject, want)
	}
	if want := "<p>Fish &amp; &lt;b&gt;Chips&lt;/b&gt; no refund !</p>"; message.HTML != want {
		t.Errorf("the HTML part is %q, want %q", message.HTML, want)
	}
	if builtIn := render(t, r); message.Text != builtIn.Text {
		t.Error("the text part, which was not overridden, is not the built-in one")
	}
}

func TestEachBuiltInTemplateIsAValidOverride(t *testing.T) {
	overrides := map[string]string{}
	for _, key := range receipt.Keys() {
		source, err := receipt.Source(key)
		if err != nil {
			t.Fatal(err)
		}
		overrides[key] = source
	}
	templates, err := receipt.Parse(overrides)
	if err != nil {
		t.Fatal(err)
	}
	got, err := templates.Render(delivered())
	if err != nil {
		t.Fatal(err)
	}
	want := render(t, delivered())
	if diff := cmp.Diff([]string{want.Subject, want.Text, want.HTML}, []string{got.Subject, got.Text, got.HTML}); diff != "" {
		t.Errorf("(-built in +overridden):\n%s", diff)
	}
}

func TestABrokenOverrideIsRefusedWithItsKeyAndLine(t *testing.T) {
	for _, tc := range []struct{ name, key, text, want string }{
		{"an unknown key", "delivered.htm", "x", "delivered.htm: there is no such template"},
		{"an unknown kind", "refunded.txt", "x", "refunded.txt: there is no such template"},
		{"nothing", "failed.txt", " \n", "failed.txt:1: the template is empty"},
		{"only a comment", "failed.txt", "{{/* nothing */}}", "failed.txt:1: the template shows nothing"},
		{"no end", "failed.html", "a\nb\n{{if .Product}}", "failed.html:3: unexpected EOF"},
		{"no brace", "failed.txt", "a\n{{.Product", "failed.txt:2: unclosed action"},
		{"an unknown field", "failed.txt", "a\n\n{{.Password}}", "failed.txt:3: there is no field .Password; there are .Order"},
		{"a field of a field", "failed.txt", "{{.Product.Name}}", "failed.txt:1: there is no field .Product.Name"},
		{"an unknown field where it is not tried", "failed.txt", "{{if eq .Product \"never\"}}\n{{.Password}}{{end}}", "failed.txt:2: there is no field .Password"},
		{"everything at once", "failed.txt", "{{.}}", "failed.txt:1: . cannot be used here"},
		{"a method", "failed.txt", "{{.Time.Local}}", "failed.txt:1: there is no field .Time.Local"},
		{"an unknown function", "failed.txt", "{{env \"HOME\"}}", `failed.txt:1: function "env" not defined`},
		{"a function that fills memory", "failed.txt", "{{printf \"%1000000d\" 1}}", "the function printf cannot be used"},
		{"a comparison with what may be either", "failed.txt", "{{if eq (or .UserFixable .Product) true}}x{{end}}", "eq takes two texts"},
		{"a function alone", "failed.txt", "{{print}}", "print cannot be used"},
		{"a call", "failed.txt", "{{call .Product}}", "the function call cannot be used"},
		{"a loop", "failed.txt", "x\n{{range 1000000000000}}{{end}}", "failed.txt:2: only fields"},
		{"a loop in an else", "failed.txt", "{{if .Product}}{{else}}{{range .Product}}{{end}}{{end}}", "only fields"},
		{"another dot", "failed.txt", "{{with .Product}}{{.}}{{end}}", "only fields"},
		{"a template that calls itself", "failed.txt", "{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}", "cannot be used"},
		{"a call of itself", "failed.txt", "{{template \"failed.txt\"}}", "only fields"},
		{"a variable", "failed.txt", "{{$a := .Product}}{{$a}}", "variables cannot be used"},
		{"a pipeline", "failed.txt", "{{.Product | len}}", "pipelines cannot be used"},
		{"a comparison that cannot be", "failed.txt", "{{if eq .Product true}}x{{end}}", "eq takes two texts"},
		{"a comparison of one", "failed.txt", "{{if eq .Product}}x{{end}}", "eq takes two texts"},
		{"a negation of two", "failed.txt", "{{if not .Product .Product}}x{{end}}", "not takes one value"},
		{"a comparison within another", "failed.txt", "{{if and .UserFixable (eq (not .Product) .Product)}}x{{end}}", "eq takes two texts"},
		{"a field called", "failed.txt", "{{.Product 1}}", "is not a function"},
		{"a number", "failed.txt", "{{1}}", "1 cannot be used here"},
		{"an open tag", "failed.html", "<p>\n<a href=\"{{.AppleLink}}", "failed.html"},
		{"a field where it cannot be escaped", "failed.html", "x\n<script>var a = `{{if .Product}}`{{end}}</script>", "failed.html"},
		{"too long", "failed.txt", strings.Repeat("x", 70_000), "longer than 65536 bytes"},
		{"makes too much", "failed.txt", strings.Repeat("{{.FailureReason}}", 3_600), "makes more than 102400 bytes"},
	} {
		templates, err := receipt.Parse(map[string]string{tc.key: tc.text})
		if err == nil || templates != nil {
			t.Errorf("%s: taken", tc.name)
			continue
		}
		if !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.key) {
			t.Errorf("%s: the error is\n%v\nwant it to name %s and to tell %q", tc.name, err, tc.key, tc.want)
		}
	}
}

func TestAllBrokenOverridesAreNamedAtOnce(t *testing.T) {
	_, err := receipt.Parse(map[string]string{"failed.txt": "{{", "failed.html": "{{.X}}", "delivered.subject": "ok"})
	if err == nil || !strings.Contains(err.Error(), "failed.txt:1") || !strings.Contains(err.Error(), "failed.html:1") {
		t.Errorf("the error is %v", err)
	}
}

func TestTheGuideNamesAllFieldsAndItsExampleIsTaken(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/receipts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, err = receipt.Parse(map[string]string{"failed.txt": "{{.Nothing}}"})
	if err == nil {
		t.Fatal("an unknown field is taken")
	}
	_, fields, _ := strings.Cut(err.Error(), "there are ")
	for field := range strings.FieldsSeq(fields) {
		if !strings.Contains(string(guide), "`"+field+"`") {
			t.Errorf("the guide does not name %s", field)
		}
	}
	_, rest, _ := strings.Cut(string(guide), "```yaml\napiVersion: v1\nkind: ConfigMap")
	manifest, _, _ := strings.Cut(rest, "```")
	var example struct{ Data map[string]string }
	if err := yaml.Unmarshal([]byte(manifest), &example); err != nil {
		t.Fatal(err)
	}
	if len(example.Data) == 0 {
		t.Fatal("the guide has no example")
	}
	if _, err := receipt.Parse(example.Data); err != nil {
		t.Error(err)
	}
}

// FuzzAnOverrideThatIsTakenAlwaysRenders looks for a template that passes the checks and then
// fails, makes too much, or panics.
func FuzzAnOverrideThatIsTakenAlwaysRenders(f *testing.F) {
	for _, key := range receipt.Keys() {
		source, err := receipt.Source(key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(source)
	}
	f.Add(`{{if and .Product (or .UserFixable (eq .Order "1"))}}{{else if not .ICCID}}<a href="{{.AppleLink}}">{{end}}`)
	f.Add(`<style>{{.Product}}</style><script>{{.Product}}</script><a onclick='{{.Product}}' style="{{.Product}}">`)
	few := delivered()
	few.Reference, few.Amount, few.ProductName = "", "", "<>\"'&\x00{{"
	f.Fuzz(func(t *testing.T, text string) {
		for _, key := range []string{"delivered.html", "delivered.txt", "delivered.subject"} {
			templates, err := receipt.Parse(map[string]string{key: text})
			if err != nil {
				if !strings.Contains(err.Error(), key+":") {
					t.Fatalf("the error does not name %s: %v", key, err)
				}
				continue
			}
			for _, r := range []receipt.Receipt{delivered(), few} {
				message, err := templates.Render(r)
				if err != nil && !strings.Contains(err.Error(), "makes more than") {
					t.Fatalf("taken, and then not rendered: %v", err)
				}
				if strings.ContainsAny(message.Subject, "\r\n\x00") {
					t.Fatalf("the subject is %q", message.Subject)
				}
			}
		}
	})
}
