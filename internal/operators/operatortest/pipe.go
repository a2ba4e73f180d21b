package operatortest

import "net"

// queued is how many writes are on their way in one direction before the next one blocks.
const queued = 64

// pipe is a connection in memory. Unlike net.Pipe's its writes do not wait for the other side
// to read: both sides of a TLS handshake may write at the same time.
func pipe() (ours, theirs net.Conn) {
	ours, near := net.Pipe()
	theirs, far := net.Pipe()
	carry(near, far)
	carry(far, near)
	return ours, theirs
}

// carry takes what is written on one side to the other, until one of them is closed.
func carry(from, to net.Conn) {
	queue := make(chan []byte, queued)
	go func() {
		defer close(queue)
		for buffer := make([]byte, 32<<10); ; {
			n, err := from.Read(buffer)
			if n > 0 {
				queue <- append([]byte(nil), buffer[:n]...)
			}
			if err != nil {
				return
			}
		}
	}()
	go func() {
		for chunk := range queue {
			if _, err := to.Write(chunk); err != nil {
				_ = from.Close() // who still writes learns that nobody reads
			}
		}
		_ = to.Close() // what was written before has arrived
	}()
}
