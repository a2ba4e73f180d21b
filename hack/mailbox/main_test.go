package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	netsmtp "net/smtp"
	"strings"
	"testing"
)

func TestTheMailboxTellsItsAddressesAndEndsInOrder(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-keep", "1"}, write, io.Discard) }()

	addresses := map[string]string{}
	lines := bufio.NewScanner(read)
	for len(addresses) < 2 && lines.Scan() {
		what, address, _ := strings.Cut(lines.Text(), " ")
		addresses[what] = address
	}
	if err := netsmtp.SendMail(addresses["smtp"], nil, "a@example.com", []string{"b@example.com"}, []byte("Subject: hello\r\n\r\nx\r\n")); err != nil {
		t.Fatal(err)
	}
	response, err := http.Get(addresses["http"] + "messages")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(body), `"subject": "hello"`) {
		t.Errorf("the mails are %s", body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAMailboxForOthersDoesNotStart(t *testing.T) {
	for _, args := range [][]string{{"-http", "0.0.0.0:0"}, {"-smtp", "x"}, {"more"}, {"-keep", "0", "-keep", "-1"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q: started", args)
		}
	}
}
