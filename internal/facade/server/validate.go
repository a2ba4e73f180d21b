package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/telcodev/esim-operator/api/rest/decimal"
)

// validator holds the requests of one operation against the document.
type validator struct {
	parameters []value
	// body is nil where the operation takes none.
	body []value
	// missing, where set, is what is said instead of naming the field that is missing.
	missing string
}

// value is a field or a parameter, and what it may be.
type value struct {
	*schema
	name     string
	in       string
	required bool
	pattern  *regexp.Regexp
}

func newValidator(d *document, o *operation) (*validator, error) {
	v := &validator{}
	for _, p := range o.Parameters {
		field, err := newValue(d, p.Name, p.Schema)
		if err != nil {
			return nil, err
		}
		field.in = p.In
		v.parameters = append(v.parameters, field)
	}
	body := d.body(o)
	if body == nil {
		return v, nil
	}
	for name, s := range body.Properties {
		field, err := newValue(d, name, s)
		if err != nil {
			return nil, err
		}
		field.required = slices.Contains(body.Required, name)
		v.body = append(v.body, field)
	}
	// What is wrong is told in the same order each time: what is required first.
	slices.SortFunc(v.body, func(a, b value) int {
		if a.required != b.required {
			if a.required {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	return v, nil
}

func newValue(d *document, name string, s *schema) (value, error) {
	s = d.resolve(s)
	if s == nil {
		return value{}, fmt.Errorf("%s has no schema", name)
	}
	field := value{schema: s, name: name}
	if s.Pattern != "" {
		pattern, err := regexp.Compile(s.Pattern)
		if err != nil {
			return value{}, fmt.Errorf("the pattern of %s: %w", name, err)
		}
		field.pattern = pattern
	}
	return field, nil
}

// checkParameters says what is wrong with the parameters of a request that was routed.
func (v *validator) checkParameters(r *http.Request) error {
	var query url.Values
	if r.URL.RawQuery != "" {
		var err error
		if query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return malformed("the query is malformed")
		}
	}
	for _, p := range v.parameters {
		var given []string
		switch p.in {
		case "query":
			given = query[p.name]
		case "header":
			given = r.Header.Values(p.name)
		case "path":
			given = []string{r.PathValue(p.name)}
		}
		switch len(given) {
		case 0:
		case 1:
			if err := p.check(given[0]); err != nil {
				return err
			}
		default:
			return malformed("%s must be given once", p.name)
		}
	}
	return nil
}

// checkBody says what is wrong with a body, and returns one with the document's fields only:
// others are ignored.
func (v *validator) checkBody(body []byte) ([]byte, error) {
	fields, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	known := make(map[string]json.RawMessage, len(v.body))
	for _, field := range v.body {
		raw, given := fields[field.name]
		if given {
			known[field.name] = raw
			err = field.checkJSON(raw)
		} else if field.required {
			err = errMissing
		}
		switch {
		case errors.Is(err, errMissing) && v.missing != "":
			return nil, malformed("%s", v.missing)
		case errors.Is(err, errMissing):
			return nil, malformed("%s is required", field.name)
		case err != nil:
			return nil, err
		}
	}
	return json.Marshal(known)
}

// errMissing is a required field that is not there, or is there as null or empty.
var errMissing = errors.New("a required field is missing")

func (v *value) checkJSON(raw json.RawMessage) error {
	switch {
	case string(raw) == "null" && v.required:
		return errMissing
	case string(raw) == "null":
		return malformed("%s must not be null; leave it out instead", v.name)
	case v.Type != "string":
		return v.check(string(raw))
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return malformed("%s must be text in quotes", v.name)
	}
	if text == "" && v.required {
		return errMissing
	}
	return v.check(text)
}

// check holds a value, in the form that it has in JSON or in a URL, against its schema.
func (v *value) check(text string) error {
	switch v.Type {
	case "integer":
		return v.checkInteger(text)
	case "number":
		return v.checkNumber(text)
	default:
		return v.checkText(text)
	}
}

func (v *value) checkInteger(text string) error {
	number, err := strconv.ParseInt(text, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return v.outOfRange()
	case err != nil || strings.HasPrefix(text, "+"):
		return malformed("%s must be a whole number, such as %s", v.name, v.example())
	case v.Minimum != nil && number < *v.Minimum, v.Maximum != nil && number > *v.Maximum:
		return v.outOfRange()
	}
	return nil
}

func (v *value) outOfRange() error {
	switch {
	case v.Minimum != nil && v.Maximum != nil:
		return malformed("%s must be between %d and %d", v.name, *v.Minimum, *v.Maximum)
	case v.Minimum != nil && *v.Minimum == 1:
		return malformed("%s must be greater than 0", v.name)
	default:
		return malformed("%s is out of range", v.name)
	}
}

func (v *value) checkNumber(text string) error {
	number, err := decimal.Parse(text)
	switch {
	case errors.Is(err, decimal.ErrTooLong):
		return malformed("%s has more digits than an amount can have", v.name)
	case err != nil:
		return malformed("%s must be a number, such as %s", v.name, v.example())
	case v.Minimum != nil && *v.Minimum == 0 && strings.HasPrefix(number.String(), "-"):
		return malformed("%s must not be negative", v.name)
	}
	return nil
}

func (v *value) checkText(text string) error {
	length := utf8.RuneCountInString(text)
	switch {
	case v.MinLength != nil && length < *v.MinLength, v.MaxLength != nil && length > *v.MaxLength:
		return v.wrongLength()
	case v.pattern != nil && !v.pattern.MatchString(text):
		return malformed("%s must match %s, such as %s", v.name, v.Pattern, v.example())
	case len(v.Enum) > 0 && !slices.Contains(v.Enum, any(text)):
		return malformed("%s must be one of %s", v.name, strings.Trim(strings.ReplaceAll(fmt.Sprint(v.Enum), " ", ", "), "[]"))
	case v.Format == "email" && !isAddress(text):
		return malformed("%s must be an address such as %s", v.name, v.example())
	case v.Format == "date-time" && !isTime(text):
		return malformed("%s must be a time such as 2026-05-01T00:00:00Z", v.name)
	}
	return nil
}

func (v *value) wrongLength() error {
	switch {
	case v.MinLength == nil:
		return malformed("%s must have at most %d characters", v.name, *v.MaxLength)
	case v.MaxLength == nil:
		return malformed("%s must have at least %d characters", v.name, *v.MinLength)
	default:
		return malformed("%s must have between %d and %d characters", v.name, *v.MinLength, *v.MaxLength)
	}
}

// example is the document's own, in digits where it is a number.
func (v *value) example() string {
	if number, ok := v.Example.(float64); ok {
		return strconv.FormatFloat(number, 'f', -1, 64)
	}
	return fmt.Sprint(v.Example)
}

// isAddress tells whether a text is an e-mail address and nothing else (RFC 5321 section
// 4.1.2): no name before it, no comment, no route. Only ASCII, as receipts are sent by any
// mail server.
func isAddress(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	address, err := mail.ParseAddress(text)
	if err != nil || address.Name != "" || address.Address != text {
		return false
	}
	local, domain, _ := strings.Cut(text, "@")
	return len(local) <= 64 && domain != "" && strings.Count(text, "@") == 1
}

func isTime(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}
