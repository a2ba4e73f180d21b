package ids

import (
	"crypto/sha256"
	"encoding/binary"

	"k8s.io/apimachinery/pkg/types"
)

// Transaction ids derive from ids that exist anyway, four for each, so that no two entries
// share one: the debit of an order, its refund, a deposit.

// Debit is the transaction id of an order's charge.
func Debit(order int64) int64 { return 4 * order }

// Refund is the transaction id of an order's refund.
func Refund(order int64) int64 { return 4*order + 1 }

// Deposit is the transaction id of a wallet's deposit.
func Deposit(wallet types.UID, reference string) int64 {
	return 4*bits31(string(wallet)+"\x00"+reference) + 2
}

// Wallet is the number that REST clients know a wallet by.
func Wallet(wallet types.UID) int64 { return bits31(string(wallet)) }

// Client is the number that REST clients know themselves by: a client is a namespace.
func Client(namespace string) int64 { return bits31(namespace) }

// bits31 are 31 bits of SHA-256, and not 0.
func bits31(text string) int64 {
	sum := sha256.Sum256([]byte(text))
	return max(1, int64(binary.BigEndian.Uint32(sum[:4])>>1))
}
