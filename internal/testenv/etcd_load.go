package testenv

import (
	"context"
	"errors"
	"slices"
)

// etcdTransaction is how many keys etcd takes at one time, by its default.
const etcdTransaction = 128

// LoadEtcd writes entries past the API server, which hears of them as of any others: for measuring
// what is stored by the hundred thousand. Nothing checks them.
func (e *Environment) LoadEtcd(ctx context.Context, entries []EtcdEntry) error {
	for batch := range slices.Chunk(entries, etcdTransaction) {
		var puts []map[string]any
		for _, entry := range batch {
			puts = append(puts, map[string]any{"request_put": map[string]any{"key": []byte(entry.Key), "value": entry.Value}})
		}
		var answer struct {
			Succeeded bool `json:"succeeded"`
		}
		if err := e.etcdCall(ctx, "kv/txn", map[string]any{"success": puts}, &answer); err != nil {
			return err
		}
		if !answer.Succeeded {
			return errors.New("writing to etcd: the transaction did not succeed")
		}
	}
	return nil
}
