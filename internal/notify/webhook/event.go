package webhook

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// maxID bounds an event's ID, which is a header too.
const maxID = 64

// Event is what a client is told.
type Event struct {
	// ID is evt_…, the same for each try, so that the client can drop repeats.
	ID string
	// Type is what happened, such as esim.order.delivered.
	Type string
	// Time is when it happened, whenever it is sent.
	Time time.Time
	// Data is the object that it happened to, in JSON.
	Data json.RawMessage
}

// body of the request: it is signed and sent, byte for byte.
func (e Event) body() ([]byte, error) {
	if !validID(e.ID) {
		return nil, errors.New("the event's ID must be 1 to 64 letters, digits, underscores and dashes")
	}
	body, err := json.Marshal(struct {
		ID        string          `json:"id"`
		Type      string          `json:"type"`
		CreatedAt time.Time       `json:"created_at"`
		Data      json.RawMessage `json:"data"`
	}{e.ID, e.Type, e.Time.UTC(), e.Data})
	if err != nil {
		return nil, fmt.Errorf("write the event's body: %w", err)
	}
	return body, nil
}

// validID tells whether an ID cannot be taken for another part of what is signed: the parts
// are joined by full stops.
func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for _, c := range []byte(id) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// EventID is the ID of what happened to the object with that UID: 128 bits of their SHA-256.
// It derives from nothing else, so a repeat has the same ID, also after a restart and in
// another process. An event that can happen to an object more than once needs a name for
// each time.
func EventID(uid types.UID, event string) string {
	// The length keeps apart what the two would be joined to.
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(uid), uid, event))
	return "evt_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}
