// Package ids makes the numbers by which REST clients know things. None needs a write or a
// counter of its own: each derives from what is unique anyway.
package ids

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// MaxNamed is the largest id of an order that was made over REST: 31 bits.
const MaxNamed = 1<<31 - 1

const orderPrefix = "o-"

// Order is the number that REST clients know an order by. An order that was made over REST
// is named after it: o-<id>, id below 2^31. Any other has 2^31 plus 50 bits that its UID
// determines, so that the two never meet, and they and the transaction ids made from them,
// four times as large, are exact in JSON.
func Order(name string, uid types.UID) int64 {
	if id, ok := Named(name); ok {
		return id
	}
	sum := sha256.Sum256([]byte(uid))
	return 1<<31 + int64(binary.BigEndian.Uint64(sum[:8])>>14)
}

// Named is the id that an order's name is made of; false where it is made of none.
func Named(name string) (int64, bool) {
	digits, ok := strings.CutPrefix(name, orderPrefix)
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || id < 1 || id > MaxNamed || strconv.FormatInt(id, 10) != digits {
		return 0, false
	}
	return id, true
}

// OrderName is the name of an order that is made over REST.
func OrderName(id int64) string { return orderPrefix + strconv.FormatInt(id, 10) }

// FromReference is the id that an order with this clientReference has: the one of the first
// probe, from 0, whose name no order with another reference has taken.
func FromReference(reference string, probe int) int64 {
	return bits31(reference + "\x00" + strconv.Itoa(probe))
}
