package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// credentialKind is what a credential is shown as: what is good as one is bad as another.
type credentialKind byte

const (
	accessToken credentialKind = iota
	refreshToken
	keyAndSecret
)

// digest is what a credential is known by here.
type digest [sha256.Size]byte

// digests makes digests under a secret of this process, so that they are of no use to anybody.
// It is safe for concurrent use.
type digests struct {
	secret []byte
	// idle hashers: each request has a token of a kilobyte hashed, and to set up an HMAC for
	// that would cost half as much again.
	idle sync.Pool
}

// hasher makes one digest at a time.
type hasher struct {
	mac  hash.Hash
	text []byte
	sum  digest
}

func (d *digests) of(kind credentialKind, credential string) digest {
	h, ok := d.idle.Get().(*hasher)
	if !ok {
		h = &hasher{mac: hmac.New(sha256.New, d.secret)}
	}
	defer d.idle.Put(h)
	h.mac.Reset()
	h.text = append(append(h.text[:0], byte(kind)), credential...)
	h.mac.Write(h.text)
	h.mac.Sum(h.sum[:0])
	clear(h.text)
	return h.sum
}
