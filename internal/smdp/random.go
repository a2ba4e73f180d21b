package smdp

import (
	"encoding/binary"
	"io"
	"math"
	"sync"
)

// lockedReader lets many draw from one source.
type lockedReader struct {
	mu     sync.Mutex
	source io.Reader
}

func (r *lockedReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Read(p)
}

// uniform is a number in (0, 1).
func (r *lockedReader) uniform() (float64, error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, err
	}
	return (float64(binary.BigEndian.Uint64(b[:])>>11) + 0.5) / (1 << 53), nil
}

// normal is a draw from the standard normal distribution (Box and Muller's way).
func (r *lockedReader) normal() (float64, error) {
	u, err := r.uniform()
	if err != nil {
		return 0, err
	}
	v, err := r.uniform()
	if err != nil {
		return 0, err
	}
	return math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*v), nil
}
