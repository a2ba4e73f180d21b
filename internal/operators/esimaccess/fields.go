package esimaccess

import (
	"strconv"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// secretText is a text of an answer that is a credential.
type secretText struct{ activation.Credential }

// UnmarshalJSON reads a text and keeps it as a credential.
func (s *secretText) UnmarshalJSON(data []byte) error {
	var text webapi.Text
	err := text.UnmarshalJSON(data)
	s.Credential = activation.NewCredential(string(text))
	return err
}

// instant is a time of an answer; zero where there is none.
type instant struct{ time.Time }

// timeForms are those that the vendor's documentation and answers show. What names no zone is
// UTC.
var timeForms = []string{
	"2006-01-02T15:04:05Z0700", time.RFC3339, "2006-01-02T15:04Z0700", "2006-01-02T15:04Z07:00",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05",
}

// UnmarshalJSON reads a time in any of its forms, or as milliseconds since 1970. What can be read
// in none of them counts as absent: no time decides about money.
func (i *instant) UnmarshalJSON(data []byte) error {
	i.Time = time.Time{}
	var text webapi.Text
	if err := text.UnmarshalJSON(data); err != nil {
		return err
	}
	for _, form := range timeForms {
		if when, err := time.Parse(form, string(text)); err == nil {
			i.Time = sane(when.UTC())
			return nil
		}
	}
	if milliseconds, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		i.Time = sane(time.UnixMilli(milliseconds).UTC())
	}
	return nil
}

// sane drops times that no profile can have: placeholders such as 1970 or 9999.
func sane(when time.Time) time.Time {
	if when.Year() < 2000 || when.Year() > 2200 {
		return time.Time{}
	}
	return when
}
