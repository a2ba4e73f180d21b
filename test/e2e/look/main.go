// Command look helps the walk of test/e2e to look at what a shell cannot: pictures and lists in
// JSON. Its answers go to standard output; where there is nothing to be found it fails.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/camera"
)

const usage = `look qr                        the text of the QR code in the PNG on standard input
look mail MAILBOX ADDRESS      the id of the newest mail to the address
look event WEBHOOKS TYPE TEXT  fails unless an event of the type, whose data have the text in
                               them, was received; and unless the signatures of all such are valid
look owned CONTROL             the ICCIDs of all profiles that were bought and not given back, at all
                               operators that the simulator plays, sorted, each with its operator`

const (
	timeout = 10 * time.Second
	// maxAnswer is more than a thousand events take.
	maxAnswer = 64 << 20
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	answer, err := look(ctx, os.Args[1:], os.Stdin)
	cancel()
	if err == nil {
		_, err = fmt.Println(answer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "look:", err)
		os.Exit(1)
	}
}

func look(ctx context.Context, args []string, in io.Reader) (string, error) {
	var command string
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch {
	case command == "qr" && len(args) == 0:
		return camera.ReadPNG(in)
	case command == "mail" && len(args) == 2:
		return newestMail(ctx, args[0], args[1])
	case command == "event" && len(args) == 3:
		return validEvent(ctx, args[0], args[1], args[2])
	case command == "owned" && len(args) == 1:
		return owned(ctx, args[0])
	}
	return "", errors.New("usage:\n" + usage)
}

// newestMail is the one with the highest id: the mailbox counts them.
func newestMail(ctx context.Context, mailbox, address string) (string, error) {
	var mails []struct {
		ID int `json:"id"`
	}
	if err := get(ctx, mailbox+"/messages?to="+url.QueryEscape(address), &mails); err != nil {
		return "", err
	}
	newest := -1
	for _, mail := range mails {
		newest = max(newest, mail.ID)
	}
	if newest < 0 {
		return "", fmt.Errorf("there is no mail to %s", address)
	}
	return fmt.Sprint(newest), nil
}

func validEvent(ctx context.Context, webhooks, kind, text string) (string, error) {
	var events []struct {
		ID    string          `json:"id"`
		Type  string          `json:"type"`
		Valid bool            `json:"valid"`
		Error string          `json:"error"`
		Data  json.RawMessage `json:"data"`
	}
	if err := get(ctx, webhooks+"/events", &events); err != nil {
		return "", err
	}
	found := ""
	for _, event := range events {
		if event.Type != kind || !strings.Contains(string(event.Data), text) {
			continue
		}
		if !event.Valid {
			return "", fmt.Errorf("the event %s is not valid: %s", event.ID, event.Error)
		}
		found = event.ID
	}
	if found == "" {
		return "", fmt.Errorf("of %d events none is %s with %s", len(events), kind, text)
	}
	return found, nil
}

// wholesalers by their paths in the simulator's control API.
var wholesalers = []string{"zendit", "esim-access", "airalo"}

// owned is told by the ledgers of all operators: a profile of an SM-DP+ is bought once it is
// Released, and stays so on a device.
func owned(ctx context.Context, control string) (string, error) {
	var lines []string
	for _, state := range []string{"Released", "Downloaded", "Installed", "Error"} {
		var profiles []struct {
			ICCID string `json:"iccid"`
		}
		if err := get(ctx, control+"/profiles?limit=100000&state="+state, &profiles); err != nil {
			return "", err
		}
		for _, profile := range profiles {
			lines = append(lines, profile.ICCID+" es2plus")
		}
	}
	for _, name := range wholesalers {
		var ledger struct {
			Purchases []struct {
				ICCID     string `json:"iccid"`
				GivenBack bool   `json:"givenBack"`
			} `json:"purchases"`
		}
		if err := get(ctx, control+"/"+name+"/ledger", &ledger); err != nil {
			return "", err
		}
		for _, purchase := range ledger.Purchases {
			if !purchase.GivenBack {
				lines = append(lines, purchase.ICCID+" "+name)
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), nil
}

// get reads a list in JSON.
func get(ctx context.Context, address string, into any) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody) //nolint:gosec // whoever runs it says where to look.
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	response, err := http.DefaultClient.Do(request) //nolint:gosec // as above.
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", address, err)
	}
	return nil
}
