package webapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/telcodev/esim-operator/internal/money"
)

// Decode reads JSON into fields. A byte order mark is tolerated; the error keeps the place of
// what is wrong and drops what stood there, which the vendor wrote.
func Decode(body []byte, fields any) error {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	err := json.Unmarshal(body, fields)
	if err == nil {
		return nil
	}
	var (
		wrongType *json.UnmarshalTypeError
		syntax    *json.SyntaxError
		loose     *looseError
	)
	switch {
	case errors.As(err, &loose):
		return fmt.Errorf("read the answer: %w", loose)
	case errors.As(err, &wrongType):
		return fmt.Errorf("read the answer: %s has another type than %s", wrongType.Field, wrongType.Type)
	case errors.As(err, &syntax):
		return fmt.Errorf("read the answer: no JSON from byte %d on", syntax.Offset)
	default:
		return fmt.Errorf("read the answer: %T", err)
	}
}

// looseError is a value that none of the loose types takes. It does not repeat the value.
type looseError struct{ want string }

func (e *looseError) Error() string { return "a value is not " + e.want }

// Text is a text that may come as a number; null is the empty text.
type Text string

// UnmarshalJSON reads a text or a number.
func (t *Text) UnmarshalJSON(data []byte) error {
	text, err := scalar(data, "a text")
	*t = Text(text)
	return err
}

// Number is a decimal number that may come as a text; null and the empty text are 0, and
// Given false.
type Number struct {
	money.Amount
	Given bool
}

// UnmarshalJSON reads a number, exactly.
func (n *Number) UnmarshalJSON(data []byte) error {
	const want = "a decimal number"
	text, err := scalar(data, want)
	if err != nil {
		return err
	}
	*n = Number{}
	if text == "" {
		return nil
	}
	amount, err := money.Parse(positional(text))
	if err != nil {
		return &looseError{want}
	}
	*n = Number{Amount: amount, Given: true}
	return nil
}

// positional writes a number such as 1.5e+2 without an exponent of at most 30; another text is
// returned as it is.
func positional(text string) string {
	mantissa, exponent, has := strings.Cut(strings.ToLower(text), "e")
	if !has {
		return text
	}
	shift, err := strconv.Atoi(strings.TrimPrefix(exponent, "+"))
	if err != nil || shift < -30 || shift > 30 {
		return text
	}
	sign, digits := "", mantissa
	if strings.HasPrefix(mantissa, "-") {
		sign, digits = "-", mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	if shift >= 0 {
		fraction += strings.Repeat("0", max(shift-len(fraction), 0))
		whole, fraction = whole+fraction[:shift], fraction[shift:]
	} else {
		whole = strings.Repeat("0", max(-shift-len(whole)+1, 0)) + whole
		whole, fraction = whole[:len(whole)+shift], whole[len(whole)+shift:]+fraction
	}
	if fraction == "" {
		return sign + whole
	}
	return sign + whole + "." + fraction
}

// Int is a whole number that may come as a text; null is 0.
type Int int64

// UnmarshalJSON reads a whole number.
func (i *Int) UnmarshalJSON(data []byte) error {
	const want = "a whole number"
	text, err := scalar(data, want)
	if err != nil || text == "" {
		*i = 0
		return err
	}
	whole, fraction, _ := strings.Cut(positional(text), ".")
	value, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.Trim(fraction, "0") != "" {
		return &looseError{want}
	}
	*i = Int(value)
	return nil
}

// Bool is a boolean that may come as a text or as 0 and 1; null is false.
type Bool bool

// UnmarshalJSON reads a boolean.
func (b *Bool) UnmarshalJSON(data []byte) error {
	const want = "a boolean"
	if bytes.Equal(data, []byte("true")) || bytes.Equal(data, []byte("false")) {
		*b = data[0] == 't'
		return nil
	}
	text, err := scalar(data, want)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "1":
		*b = true
	case "false", "0", "":
		*b = false
	default:
		return &looseError{want}
	}
	return nil
}

// List is a list that may come as an object keyed by index; null is the empty list.
type List[T any] []T

// UnmarshalJSON reads a list.
func (l *List[T]) UnmarshalJSON(data []byte) error {
	*l = nil
	switch {
	case bytes.Equal(data, []byte("null")), bytes.Equal(data, []byte(`""`)):
		return nil
	case data[0] == '[':
		return json.Unmarshal(data, (*[]T)(l))
	case data[0] != '{':
		return &looseError{"a list"}
	}
	keyed := map[string]T{}
	if err := json.Unmarshal(data, &keyed); err != nil {
		return err
	}
	indices := make([]int, 0, len(keyed))
	for key := range keyed {
		index, err := strconv.Atoi(key)
		if err != nil || strconv.Itoa(index) != key {
			return &looseError{"a list"}
		}
		indices = append(indices, index)
	}
	slices.Sort(indices)
	for _, index := range indices {
		*l = append(*l, keyed[strconv.Itoa(index)])
	}
	return nil
}

// scalar is the text of a JSON text or number; empty for null.
func scalar(data []byte, want string) (string, error) {
	switch {
	case bytes.Equal(data, []byte("null")):
		return "", nil
	case data[0] == '"':
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return "", &looseError{want}
		}
		return text, nil
	case data[0] == '-' || data[0] >= '0' && data[0] <= '9':
		return string(data), nil
	default:
		return "", &looseError{want}
	}
}
