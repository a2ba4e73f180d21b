package testenv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
)

// etcdPage is how many keys are asked for at one time.
const etcdPage = 500

// EtcdEntry is one key of etcd as it stands.
type EtcdEntry struct {
	// Key such as /registry/secrets/acme/trip-activation.
	Key string
	// Value is JSON for our own kinds, and protobuf for Kubernetes' own.
	Value []byte
}

// EtcdEntries are all keys of etcd, and what they hold, at its newest revision: what somebody
// finds who has the disk.
func (e *Environment) EtcdEntries(ctx context.Context) ([]EtcdEntry, error) {
	var entries []EtcdEntry
	// From the first key on to the end of all; [0] is the gateway's name for both.
	from, revision := []byte{0}, int64(0)
	for {
		page, err := e.etcdRange(ctx, from, revision)
		if err != nil {
			return nil, fmt.Errorf("reading etcd: %w", err)
		}
		for _, kv := range page.KVs {
			entries = append(entries, EtcdEntry{Key: string(kv.Key), Value: kv.Value})
		}
		if !page.More {
			return entries, nil
		}
		if len(page.KVs) == 0 {
			return nil, errors.New("reading etcd: a page without keys says that there are more")
		}
		// What comes after a key is the key with a zero byte.
		last := page.KVs[len(page.KVs)-1].Key
		from, revision = slices.Concat(last, []byte{0}), page.Header.Revision
	}
}

// etcdKeys is an answer of etcd's JSON gateway to a range request.
type etcdKeys struct {
	Header struct {
		Revision int64 `json:"revision,string"`
	} `json:"header"`
	KVs []struct {
		Key   []byte `json:"key"`
		Value []byte `json:"value"`
	} `json:"kvs"`
	More bool `json:"more"`
}

// etcdRange reads one page of keys. The newest revision is 0.
func (e *Environment) etcdRange(ctx context.Context, from []byte, revision int64) (page etcdKeys, err error) {
	body, err := json.Marshal(map[string]any{"key": from, "range_end": []byte{0}, "limit": etcdPage, "revision": revision})
	if err != nil {
		return page, err
	}
	url := e.plane.ControlPlane.Etcd.URL.JoinPath("v3", "kv", "range").String()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return page, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return page, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return page, fmt.Errorf("etcd answered HTTP %d", answer.StatusCode)
	}
	err = json.NewDecoder(answer.Body).Decode(&page)
	return page, err
}

// AuditLog is the audit log as the API server wrote it, for searches; AuditEvents reads it.
func (e *Environment) AuditLog() ([]byte, error) {
	if e.audit == "" {
		return nil, ErrNoAudit
	}
	log, err := os.ReadFile(e.audit)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return log, nil
}

// PutEtcd writes one key of etcd, past the API server: what an earlier version has left there.
func (e *Environment) PutEtcd(ctx context.Context, key string, value []byte) (err error) {
	body, err := json.Marshal(map[string]any{"key": []byte(key), "value": value})
	if err != nil {
		return err
	}
	url := e.plane.ControlPlane.Etcd.URL.JoinPath("v3", "kv", "put").String()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("writing %s to etcd: %w", key, err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("writing %s to etcd: it answered HTTP %d", key, answer.StatusCode)
	}
	return nil
}
