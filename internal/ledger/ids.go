package ledger

import (
	"crypto/sha256"
	"encoding/binary"

	"k8s.io/apimachinery/pkg/types"
)

// Transaction ids derive from ids that exist anyway, four for each, so that no two entries
// share one: the debit of an order, its refund, a deposit.

// DebitID is the transaction id of an order's charge.
func DebitID(order int64) int64 { return 4 * order }

// RefundID is the transaction id of an order's refund.
func RefundID(order int64) int64 { return 4*order + 1 }

// DepositID is the transaction id of a wallet's deposit.
func DepositID(wallet types.UID, reference string) int64 {
	return 4*bits31(string(wallet)+"\x00"+reference) + 2
}

// WalletID is the number that REST clients know a wallet by.
func WalletID(wallet types.UID) int64 { return bits31(string(wallet)) }

// ClientID is the number that REST clients know themselves by: a client is a namespace.
func ClientID(namespace string) int64 { return bits31(namespace) }

// bits31 are 31 bits of SHA-256, and not 0.
func bits31(text string) int64 {
	sum := sha256.Sum256([]byte(text))
	return max(1, int64(binary.BigEndian.Uint32(sum[:4])>>1))
}
