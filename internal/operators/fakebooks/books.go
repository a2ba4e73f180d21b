// Package fakebooks keeps what the fakes of wholesalers have sold over their restart.
package fakebooks

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxRecord bounds a line when it is read; what is written is far smaller.
const maxRecord = 1 << 20

// Books are a file of one JSON record a line, each a purchase as it stands since. It holds
// credentials: it is its owner's alone. A line is one write, so that the end of the process,
// however sudden, leaves at most one torn line, of a call that was not answered. It survives the
// process, not the machine. Nil Books keep nothing. They are not safe for concurrent use.
type Books struct {
	file *os.File
	// err is the first that a write met: what stands in the file is not all.
	err error
}

// Open reads what a file holds, oldest first, and has what is kept from now on written to its
// end. No file is an empty one.
func Open(path string, read func(line []byte) error) (*Books, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open the books: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the books: %w", err)
	}
	end, err := readAll(file, read)
	if err == nil {
		_, err = file.Seek(end, io.SeekStart)
	}
	if err == nil {
		err = file.Truncate(end)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w; remove it to begin with empty books", path, err), file.Close())
	}
	return &Books{file: file}, nil
}

// readAll reads whole lines, and returns where the last of them ends.
func readAll(file io.Reader, read func(line []byte) error) (end int64, err error) {
	lines := bufio.NewReader(file)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF):
			return end, nil // what was torn was never answered
		case err != nil:
			return 0, err
		case len(line) > maxRecord:
			return 0, fmt.Errorf("line %d is too long for a record", number)
		}
		if err := read(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return 0, fmt.Errorf("line %d is no record of a purchase (%T)", number, err) // its text may be a credential
		}
		end += int64(len(line))
	}
}

// Keep writes a record. After an error the books take nothing more.
func (b *Books) Keep(record any) error {
	if b == nil || b.err != nil {
		return b.Err()
	}
	line, err := json.Marshal(record)
	if err == nil {
		_, err = b.file.Write(append(line, '\n'))
	}
	if err != nil {
		b.err = fmt.Errorf("keep the books: %w", err)
	}
	return b.err
}

// Err is why the books take nothing more; nil while they do.
func (b *Books) Err() error {
	if b == nil {
		return nil
	}
	return b.err
}

// Close the file.
func (b *Books) Close() error {
	if b == nil {
		return nil
	}
	if err := b.file.Close(); err != nil {
		return fmt.Errorf("close the books: %w", err)
	}
	return nil
}
