package receipt

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"
	"text/template/parse"

	"github.com/telcodev/esim-operator/internal/activation/qrcode"
)

const (
	// maxTemplate bounds a template, in bytes.
	maxTemplate = 64 << 10
	// maxPart bounds what a template makes, in bytes: large clients cut mails beyond 102 KB.
	maxPart = 100 << 10
	// maxSubject bounds a subject, in characters.
	maxSubject = 150

	subjectForm, textForm, htmlForm = ".subject", ".txt", ".html"
)

//go:embed templates
var builtIn embed.FS

// kinds by the word that keys begin with.
var kinds = map[string]Kind{"delivered": Delivered, "failed": Failed, "cancelled": Cancelled}

// executable is a template of text or of HTML.
type executable interface {
	Execute(out io.Writer, data any) error
}

// Templates make messages of receipts. They never change and are safe for concurrent use.
type Templates struct {
	// of by kind and form, such as delivered.html.
	of map[string]executable
}

// Keys are the templates' names, such as delivered.html, sorted.
func Keys() []string {
	keys := make([]string, 0, 3*len(kinds))
	for word := range kinds {
		keys = append(keys, word+subjectForm, word+textForm, word+htmlForm)
	}
	slices.Sort(keys)
	return keys
}

// Source is the built-in template of that key, to start an own one from.
func Source(key string) (string, error) {
	text, err := builtIn.ReadFile("templates/" + key)
	if err != nil {
		return "", fmt.Errorf("there is no template %q; there are %s", key, strings.Join(Keys(), ", "))
	}
	return string(text), nil
}

// Default are the built-in templates.
func Default() *Templates { return builtInTemplates() }

var builtInTemplates = sync.OnceValue(func() *Templates {
	sources := make(map[string]string, 3*len(kinds))
	var missing []error
	for _, key := range Keys() {
		source, err := Source(key)
		sources[key], missing = source, append(missing, err)
	}
	templates, err := replace(&Templates{}, sources)
	if err = errors.Join(append(missing, err)...); err != nil {
		// They are part of the program, and each test of this package reads them.
		panic(err)
	}
	return templates
})

// Parse reads templates that take the place of built-in ones, by key. All are checked, and
// tried on receipts with everything and with nothing to show, so that they cannot fail later
// but by making too much. The error names the key, and the line, of each that is wrong; then
// there are no Templates, and who had some keeps them.
func Parse(overrides map[string]string) (*Templates, error) {
	return replace(Default(), overrides)
}

// replace makes templates of others and of texts that take the place of some.
func replace(others *Templates, texts map[string]string) (*Templates, error) {
	templates := &Templates{of: maps.Clone(others.of)}
	if templates.of == nil {
		templates.of = make(map[string]executable, len(texts))
	}
	var wrong []error
	known := Keys()
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		if !slices.Contains(known, key) {
			wrong = append(wrong, fmt.Errorf("%s: there is no such template; there are %s", key, strings.Join(known, ", ")))
			continue
		}
		template, err := read(key, texts[key])
		if err == nil {
			err = try(key, template)
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		templates.of[key] = template
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, fmt.Errorf("reading the templates of receipts: %w", err)
	}
	return templates, nil
}

// read parses a template and checks that it does nothing but what is permitted.
func read(key, text string) (executable, error) {
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("%s:1: the template is empty; leave the key out to have the built-in one", key)
	}
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("%s:1: the template is longer than %d bytes", key, maxTemplate)
	}
	// It is parsed once as text: html/template rewrites what it parses.
	plain, err := texttemplate.New(key).Parse(text)
	if err != nil {
		return nil, trimTemplateError(err)
	}
	if len(plain.Templates()) > 1 {
		return nil, fmt.Errorf("%s: templates within the template, by define or block, cannot be used", key)
	}
	if plain.Tree == nil || parse.IsEmptyTree(plain.Root) {
		return nil, fmt.Errorf("%s:1: the template shows nothing; leave the key out to have the built-in one", key)
	}
	if err := checkTree(plain.Tree); err != nil {
		return nil, err
	}
	if !strings.HasSuffix(key, htmlForm) {
		return plain, nil
	}
	page, err := htmltemplate.New(key).Parse(text)
	if err != nil {
		return nil, trimTemplateError(err)
	}
	return page, nil
}

// trimTemplateError drops the word that the library's errors begin with, so that all errors
// begin with key and line.
func trimTemplateError(err error) error {
	return errors.New(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "html/"), "template: "))
}

// try executes a template, which for HTML finds what stands where it could not be escaped.
func try(key string, template executable) error {
	word, _, _ := strings.Cut(key, ".")
	for _, receipt := range []Receipt{sample(kinds[word]), {Kind: kinds[word]}} {
		shown, err := show(receipt)
		if err != nil {
			return err
		}
		if _, err := execute(key, template, shown); err != nil {
			return err
		}
	}
	return nil
}

// Render makes the message of a receipt. It fails where the kind is unknown, where a
// credential cannot be shown as it is, or where a template makes more than 100 KiB. An error
// repeats nothing of the receipt.
func (t *Templates) Render(r Receipt) (Message, error) {
	word, err := r.Kind.word()
	if err != nil {
		return Message{}, err
	}
	shown, err := show(r)
	if err != nil {
		return Message{}, fmt.Errorf("writing the receipt %s: %w", word, err)
	}
	var message Message
	for form, to := range map[string]*string{subjectForm: &message.Subject, textForm: &message.Text, htmlForm: &message.HTML} {
		if *to, err = execute(word+form, t.of[word+form], shown); err != nil {
			return Message{}, fmt.Errorf("writing the receipt %s: %w", word, err)
		}
	}
	message.Subject = shorten(oneLine(message.Subject))
	if shown.ActivationCode == "" {
		return message, nil
	}
	drawing, err := qrcode.Draw(r.Code)
	if err != nil {
		return Message{}, fmt.Errorf("writing the receipt %s: %w", word, err)
	}
	if message.QR, err = drawing.PNG(); err != nil {
		return Message{}, fmt.Errorf("writing the receipt %s: %w", word, err)
	}
	return message, nil
}

// word is what the keys of a kind's templates begin with.
func (k Kind) word() (string, error) {
	for word, kind := range kinds {
		if kind == k {
			return word, nil
		}
	}
	return "", fmt.Errorf("there is no receipt of the kind %q", string(k))
}

func shorten(subject string) string {
	if letters := []rune(subject); len(letters) > maxSubject {
		return string(letters[:maxSubject-1]) + "…"
	}
	return subject
}

// errTooMuch says that a template made more than a mail should carry.
var errTooMuch = fmt.Errorf("the template makes more than %d bytes", maxPart)

// bounded takes maxPart bytes.
type bounded struct{ strings.Builder }

// Write refuses what is too much.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxPart {
		return 0, errTooMuch
	}
	return b.Builder.Write(p)
}

func execute(key string, template executable, shown fields) (string, error) {
	var out bounded
	err := template.Execute(&out, shown)
	var misplaced *htmltemplate.Error
	switch {
	case err == nil:
		return out.String(), nil
	case errors.Is(err, errTooMuch):
		return "", fmt.Errorf("%s:1: %w", key, errTooMuch)
	case errors.As(err, &misplaced):
		// It is about the template's text only.
		return "", fmt.Errorf("%s:%d: %s", key, misplaced.Line, misplaced.Description)
	}
	// What the library says may repeat a value.
	return "", fmt.Errorf("%s: the template cannot be executed", key)
}
