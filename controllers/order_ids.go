package controllers

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// orderID is the number that REST clients know an order by. An order that was made over REST
// is named after it: o-<id>, id below 2^31. Any other has 2^31 plus 50 bits that its UID
// determines, so that the two never meet, and they and the transaction ids made from them,
// four times as large, are exact in JSON.
func orderID(name string, uid types.UID) int64 {
	if digits, ok := strings.CutPrefix(name, "o-"); ok {
		id, err := strconv.ParseInt(digits, 10, 64)
		if err == nil && 0 < id && id < 1<<31 && strconv.FormatInt(id, 10) == digits {
			return id
		}
	}
	sum := sha256.Sum256([]byte(uid))
	return 1<<31 + int64(binary.BigEndian.Uint64(sum[:8])>>14)
}

// requestID names an attempt at the operator. It derives from UID and attempt, so that a
// process that starts anew calls with the same.
func requestID(uid types.UID, attempt int32) string {
	return fmt.Sprintf("%s-%d", strings.ReplaceAll(string(uid), "-", ""), attempt)
}
