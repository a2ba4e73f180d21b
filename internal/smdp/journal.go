package smdp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/telcodev/esim-operator/internal/activation"
)

// journal keeps changes over a restart.
type journal interface {
	// append writes a change; after nil it is not forgotten when the process ends.
	append(c change) error
	close() error
}

// noJournal is the journal of an SM-DP+ that lives in memory.
type noJournal struct{}

func (noJournal) append(change) error { return nil }
func (noJournal) close() error        { return nil }

// closedJournal takes nothing more.
type closedJournal struct{}

func (closedJournal) append(change) error { return errClosed }
func (closedJournal) close() error        { return nil }

const (
	journalName = "state.jsonl"
	lockName    = "lock"
	// maxRecord bounds a line of the journal when it is read: its fields are bounded when they
	// are written.
	maxRecord = 1 << 20
)

// fileJournal is a file of one JSON record per line, each one change. A change is one write,
// so that the end of the process, however sudden, leaves at most one torn line at the end,
// which was never answered and is dropped on reading. The file is written anew, without what
// is superseded, at each start. It is not synced to disk at each change: it survives the
// process, not the machine.
type fileJournal struct {
	file *os.File
	lock *os.File
	// broken is set once the file's end can no longer be trusted.
	broken error
}

// record is a change as it is written. It holds credentials: the file is its owner's alone.
type record struct {
	Profile *profileRecord `json:"profile,omitempty"`
	Stock   *stockRecord   `json:"stock,omitempty"`
	Call    *LedgerEntry   `json:"call,omitempty"`
}

type profileRecord struct {
	Profile
	EID              activation.EID `json:"eid,omitempty"`
	MatchingID       *string        `json:"matchingId,omitempty"`
	ConfirmationCode string         `json:"confirmationCode,omitempty"`
}

type stockRecord struct {
	ProfileType string `json:"profileType"`
	Available   int    `json:"available"`
	Gone        bool   `json:"gone,omitempty"`
}

func recordOf(c change) record {
	rec := record{Call: c.entry}
	if p := c.profile; p != nil {
		rec.Profile = &profileRecord{Profile: p.Profile, EID: p.eid, ConfirmationCode: p.confirmationCode.Reveal()}
		if p.hasMatchingID {
			rec.Profile.MatchingID = new(p.matchingID.Reveal())
		}
	}
	if s := c.stock; s != nil {
		rec.Stock = &stockRecord{ProfileType: s.profileType, Available: s.available, Gone: s.gone}
	}
	return rec
}

func (rec record) change() change {
	c := change{entry: rec.Call}
	if p := rec.Profile; p != nil {
		c.profile = &profile{Profile: p.Profile, eid: p.EID, confirmationCode: activation.NewCredential(p.ConfirmationCode)}
		if p.MatchingID != nil {
			c.profile.hasMatchingID, c.profile.matchingID = true, activation.NewCredential(*p.MatchingID)
		}
	}
	if s := rec.Stock; s != nil {
		c.stock = &stockLevel{profileType: s.ProfileType, available: s.Available, gone: s.Gone}
	}
	return c
}

func (j *fileJournal) append(c change) error {
	line, err := json.Marshal(recordOf(c))
	if err != nil {
		return err
	}
	if j.broken != nil {
		return j.broken
	}
	written, err := j.file.Write(append(line, '\n'))
	if err != nil {
		j.undo(written)
	}
	return err
}

// undo takes back what a failed write left at the end, so that the next record does not begin
// in the middle of a line.
func (j *fileJournal) undo(written int) {
	info, err := j.file.Stat()
	if err == nil {
		err = j.file.Truncate(info.Size() - int64(written))
	}
	if err != nil {
		j.broken = fmt.Errorf("an earlier write failed half-way: %w", err)
	}
}

func (j *fileJournal) close() error {
	return errors.Join(j.file.Sync(), j.file.Close(), j.lock.Close())
}

// openJournal takes the folder for this process, reads what the journal there holds into the
// registry, writes the journal anew and makes it the registry's.
func openJournal(folder string, r *registry) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	lock, err := lockFolder(folder)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, journalName)
	if err := readJournal(path, r); err != nil {
		return errors.Join(err, lock.Close())
	}
	file, err := compactJournal(path, r)
	if err != nil {
		return errors.Join(fmt.Errorf("rewrite %s: %w", path, err), lock.Close())
	}
	r.journal = &fileJournal{file: file, lock: lock}
	return nil
}

// lockFolder keeps two SM-DP+s from one folder. The lock goes with the process.
func lockFolder(folder string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(folder, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(
			fmt.Errorf("the data folder %s is in use by another SM-DP+; end it or choose another folder: %w", folder, err),
			lock.Close())
	}
	return lock, nil
}

// readJournal applies what the file holds. No file is an empty one.
func readJournal(path string, r *registry) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	err = applyRecords(bufio.NewReaderSize(file, 1<<16), r)
	if err != nil {
		err = fmt.Errorf("read %s: %w; move the data folder away to begin anew", path, err)
	}
	return errors.Join(err, file.Close())
}

// applyRecords applies each whole line; a last line without its end was never answered.
func applyRecords(in *bufio.Reader, r *registry) error {
	for number := 1; ; number++ {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		var rec record
		if err := json.Unmarshal(line, &rec); err != nil {
			return fmt.Errorf("line %d is not a record: %w", number, scrubbed(err))
		}
		r.apply(rec.change())
	}
}

// readLine is the next whole line; io.EOF where there is none.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > maxRecord:
			return nil, errors.New("too long for a record")
		}
	}
}

// scrubbed is the error of encoding/json without the text that it quotes: that may be a
// credential.
func scrubbed(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return fmt.Errorf("%s has the wrong type", wrongType.Field)
	}
	return errors.New("not JSON")
}

// compactJournal writes the registry's state to a file beside path and puts it in its place.
// The file is ready for appending.
func compactJournal(path string, r *registry) (*os.File, error) {
	fresh, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	out := bufio.NewWriterSize(fresh, 1<<16)
	encoder := json.NewEncoder(out)
	for c := range r.snapshot() {
		if err := encoder.Encode(recordOf(c)); err != nil {
			return nil, errors.Join(err, fresh.Close())
		}
	}
	if err := errors.Join(out.Flush(), fresh.Sync(), os.Rename(path+".new", path)); err != nil {
		return nil, errors.Join(err, fresh.Close())
	}
	return fresh, nil
}
