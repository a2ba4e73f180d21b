package testenv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// defragmentLimit is how long etcd may take to free what it does not use.
const defragmentLimit = time.Minute

// etcdAlarm is what etcd's members have raised, as its JSON gateway writes it.
type etcdAlarm struct {
	MemberID string `json:"memberID"`
	Alarm    string `json:"alarm"`
}

// EtcdOutOfSpace tells whether etcd takes no writes, because its database has reached its quota.
func (e *Environment) EtcdOutOfSpace(ctx context.Context) (bool, error) {
	alarms, err := e.etcdAlarms(ctx)
	return slices.ContainsFunc(alarms, func(raised etcdAlarm) bool { return raised.Alarm == "NOSPACE" }), err
}

func (e *Environment) etcdAlarms(ctx context.Context) ([]etcdAlarm, error) {
	var found struct {
		Alarms []etcdAlarm `json:"alarms"`
	}
	err := e.etcdCall(ctx, "maintenance/alarm", map[string]any{"action": "GET"}, &found)
	return found.Alarms, err
}

// FreeEtcd has etcd forget old revisions, give back what they took, and take writes again: what an
// administrator does about a database that has reached its quota, once enough was deleted.
func (e *Environment) FreeEtcd(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, defragmentLimit)
	defer cancel()
	var status struct {
		Header struct {
			Revision int64 `json:"revision,string"`
		} `json:"header"`
	}
	if err := e.etcdCall(ctx, "maintenance/status", map[string]any{}, &status); err != nil {
		return err
	}
	for _, step := range []struct {
		path string
		body map[string]any
	}{
		{"kv/compaction", map[string]any{"revision": status.Header.Revision, "physical": true}},
		{"maintenance/defragment", map[string]any{}},
	} {
		if err := e.etcdCall(ctx, step.path, step.body, nil); err != nil {
			return err
		}
	}
	alarms, err := e.etcdAlarms(ctx)
	if err != nil {
		return err
	}
	for _, raised := range alarms {
		body := map[string]any{"action": "DEACTIVATE", "alarm": raised.Alarm, "memberID": raised.MemberID}
		if err := e.etcdCall(ctx, "maintenance/alarm", body, nil); err != nil {
			return err
		}
	}
	return nil
}

// etcdCall asks etcd's JSON gateway for something, and reads what it answers into an object.
func (e *Environment) etcdCall(ctx context.Context, path string, of map[string]any, into any) (err error) {
	body, err := json.Marshal(of)
	if err != nil {
		return fmt.Errorf("asking etcd for %s: %w", path, err)
	}
	url := e.plane.ControlPlane.Etcd.URL.JoinPath("v3", path).String()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking etcd for %s: %w", path, err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking etcd for %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	switch {
	case err != nil:
		return fmt.Errorf("reading etcd's answer to %s: %w", path, err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("etcd answers %s with HTTP %d: %s", path, answer.StatusCode, text)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading etcd's answer to %s: %w", path, err)
	}
	return nil
}
