package mail

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
)

// outcome is what a caller can tell of an error.
type outcome struct {
	Refused, Deferred, Unknown bool
	Code                       int
	Enhanced                   string
	Error                      string
}

func outcomeOf(err error) outcome {
	var refused *Refused
	var deferred *Deferred
	got := outcome{Refused: errors.As(err, &refused), Deferred: errors.As(err, &deferred), Unknown: errors.Is(err, ErrUnknownOutcome)}
	switch {
	case got.Refused:
		got.Code, got.Enhanced = refused.Code, refused.Enhanced
	case got.Deferred:
		got.Code, got.Enhanced = deferred.Code, deferred.Enhanced
	}
	if err != nil {
		got.Error = err.Error()
	}
	return got
}

// mustNotTell searches all that an error could put into a log.
func mustNotTell(t *testing.T, err error) {
	t.Helper()
	printed := fmt.Sprintf("%v %+v %#v", err, err, err)
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		printed += fmt.Sprintf(" %v %#v", cause, cause)
	}
	var refused *Refused
	if errors.As(err, &refused) {
		printed += refused.Text
	}
	var deferred *Deferred
	if errors.As(err, &deferred) {
		printed += deferred.Text + fmt.Sprintf("%v %#v", deferred.Cause, deferred.Cause)
	}
	for _, secret := range []string{matchingID, password, "ann@example.com", base64.StdEncoding.EncodeToString([]byte("\x00" + username + "\x00" + password))} {
		if strings.Contains(strings.ToLower(printed), strings.ToLower(secret)) {
			t.Errorf("the error tells %q: %s", secret, printed)
		}
	}
	if strings.ContainsAny(printed, "\r\n\x1b") {
		t.Errorf("the error has control characters: %q", printed)
	}
}

func says(code int, enhanced smtp.EnhancedCode, text string) func() error {
	return func() error { return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text} }
}

func TestWhatBecomesOfAMailThatIsNotTaken(t *testing.T) {
	toRcpt := func(say func() error) func(string) error { return func(string) error { return say() } }
	toData := func(say func() error) func([]byte) error { return func([]byte) error { return say() } }
	for _, tc := range []struct {
		name   string
		office *office
		spoil  func(*Server)
		want   outcome
	}{
		{name: "no such mailbox", office: &office{onRcpt: toRcpt(says(550, smtp.EnhancedCode{5, 1, 1}, "no ann@EXAMPLE.com here"))},
			want: outcome{Refused: true, Code: 550, Enhanced: "5.1.1", Error: "the mail server refused the mail: 550 5.1.1"}},
		{name: "greylisted", office: &office{onRcpt: toRcpt(says(451, smtp.EnhancedCode{4, 7, 1}, "come back in 5 minutes"))},
			want: outcome{Deferred: true, Code: 451, Enhanced: "4.7.1", Error: "the mail server does not take the mail now: 451 4.7.1 at RCPT"}},
		{name: "mailbox full", office: &office{onRcpt: toRcpt(says(452, smtp.EnhancedCode{4, 2, 2}, "full"))},
			want: outcome{Deferred: true, Code: 452, Enhanced: "4.2.2", Error: "the mail server does not take the mail now: 452 4.2.2 at RCPT"}},
		{name: "the server wants another login", office: &office{onRcpt: toRcpt(says(530, smtp.EnhancedCode{5, 7, 0}, "log in"))},
			want: outcome{Deferred: true, Code: 530, Enhanced: "5.7.0", Error: "the mail server does not take the mail now: 530 5.7.0 at RCPT"}},
		{name: "the sender is not allowed", office: &office{onMail: says(550, smtp.EnhancedCode{5, 7, 1}, "not you")},
			want: outcome{Deferred: true, Code: 550, Enhanced: "5.7.1", Error: "the mail server does not take the mail now: 550 5.7.1 at MAIL"}},
		{name: "the content is refused", office: &office{onData: toData(says(554, smtp.EnhancedCode{5, 6, 0}, "I do not like "+code))},
			want: outcome{Refused: true, Code: 554, Enhanced: "5.6.0", Error: "the mail server refused the mail: 554 5.6.0"}},
		{name: "the content is put off", office: &office{onData: toData(says(421, smtp.EnhancedCode{4, 3, 2}, "shutting down "+matchingID))},
			want: outcome{Deferred: true, Code: 421, Enhanced: "4.3.2", Error: "the mail server does not take the mail now: 421 4.3.2 at content"}},
		{name: "the answer to the content is lost", office: &office{onData: toData(func() error { return errHangUp })},
			want: outcome{Deferred: true, Unknown: true, Error: "the mail may have been sent: the server's answer was lost: the mail could not be sent: the connection was lost at content"}},
		{name: "wrong password", spoil: func(s *Server) { s.Username = "eve" },
			want: outcome{Deferred: true, Code: 535, Enhanced: "5.7.8", Error: "the mail server does not take the mail now: 535 5.7.8 at AUTH"}},
		{name: "no AUTH that is known", office: &office{mechanisms: []string{"GSSAPI"}},
			want: outcome{Deferred: true, Error: "the mail could not be sent: the server offers neither AUTH PLAIN nor LOGIN at AUTH"}},
		{name: "a certificate of somebody else's", spoil: func(s *Server) { s.ServerName = "smtp.example.com" },
			want: outcome{Deferred: true, Error: "the mail could not be sent: the server's certificate is not trusted at STARTTLS"}},
		{name: "a certificate that nobody trusts", spoil: func(s *Server) { s.RootCAs = nil },
			want: outcome{Deferred: true, Error: "the mail could not be sent: the server's certificate is not trusted at STARTTLS"}},
		{name: "a certificate that nobody trusts, TLS", office: &office{implicit: true}, spoil: func(s *Server) { s.RootCAs = nil },
			want: outcome{Deferred: true, Error: "the mail could not be sent: the server's certificate is not trusted at TLS"}},
		{name: "TLS of the past", office: &office{smtp: func(s *smtp.Server) {
			s.TLSConfig.MinVersion, s.TLSConfig.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}},
			want: outcome{Deferred: true, Error: "the mail could not be sent: the server does not speak TLS as it must at STARTTLS"}},
		{name: "TLS where the server speaks plain", office: &office{plain: true}, spoil: func(s *Server) { s.Encryption = TLS },
			want: outcome{Deferred: true, Error: "the mail could not be sent: the server does not speak TLS as it must at TLS"}},
		{name: "no STARTTLS", office: &office{plain: true}, spoil: func(s *Server) { s.Encryption = STARTTLS },
			want: outcome{Deferred: true, Error: "the mail could not be sent: the server does not offer STARTTLS at STARTTLS"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.office == nil {
				tc.office = &office{}
			}
			open := tc.office.open(t)
			server := open.server()
			if tc.spoil != nil {
				tc.spoil(&server)
			}
			err := sender(t, server).Send(t.Context(), "ann@example.com", messageID, rendered(t, "Japan"))
			if diff := cmp.Diff(tc.want, outcomeOf(err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			mustNotTell(t, err)
		})
	}
}

func TestAnAddressThatCannotBeIsRefusedBeforeAnythingIsSent(t *testing.T) {
	open := (&office{}).open(t)
	for _, to := range []string{"a@b>, c@d", `"ann"@example.com`, "ann@example.com\r\nRCPT TO:<eve@example.com>"} {
		err := sender(t, open.server()).Send(t.Context(), to, messageID, rendered(t, "Japan"))
		if got := outcomeOf(err); !got.Refused || got.Enhanced != "5.1.3" {
			t.Errorf("%q: %+v", to, got)
		}
	}
	err := sender(t, open.server()).Send(t.Context(), "用户@example.com", messageID, rendered(t, "Japan"))
	if got := outcomeOf(err); !got.Refused || got.Enhanced != "5.6.7" {
		t.Errorf("an international address at a server that knows none: %+v", got)
	}
	if got := open.deliveries(); len(got) != 0 {
		t.Errorf("%d mails arrived", len(got))
	}
}

func TestNobodyThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	err = sender(t, (&office{plain: true, port: port}).server()).Send(t.Context(), "ann@example.com", messageID, rendered(t, "Japan"))
	want := outcome{Deferred: true, Error: "the mail could not be sent: the server could not be reached at connect"}
	if diff := cmp.Diff(want, outcomeOf(err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// script is a server that says what a test wants, line by line.
func script(t *testing.T, serve func(conn net.Conn, hear func() string)) Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		lines := bufio.NewReader(conn)
		serve(conn, func() string {
			line, _ := lines.ReadString('\n')
			return strings.TrimSpace(line)
		})
		_ = conn.Close()
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return (&office{plain: true, port: listener.Addr().(*net.TCPAddr).Port}).server()
}

// say answers each line that it hears with the next answer.
func say(conn net.Conn, hear func() string, answers ...string) {
	for i, answer := range answers {
		if i > 0 {
			hear()
		}
		_, _ = io.WriteString(conn, answer+"\r\n")
	}
}

func TestServersThatBehaveBadly(t *testing.T) {
	for _, tc := range []struct {
		name  string
		serve func(conn net.Conn, hear func() string)
		want  outcome
	}{
		{"hangs up at once", func(net.Conn, func() string) {},
			outcome{Deferred: true, Error: "the mail could not be sent: the connection was lost at greeting"}},
		{"is too busy to greet", func(conn net.Conn, _ func() string) { _, _ = io.WriteString(conn, "421 4.3.2 busy\r\n") },
			outcome{Deferred: true, Code: 421, Enhanced: "4.3.2", Error: "the mail server does not take the mail now: 421 4.3.2 at greeting"}},
		{"speaks HTTP", func(conn net.Conn, _ func() string) { _, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") },
			outcome{Deferred: true, Error: "the mail could not be sent: the server does not speak SMTP at greeting"}},
		{"talks without end", func(conn net.Conn, _ func() string) {
			for {
				if _, err := io.WriteString(conn, "220-"+strings.Repeat("x", 4096)+"\r\n"); err != nil {
					return
				}
			}
		}, outcome{Deferred: true, Error: "the mail could not be sent: the server said more than 256 KiB at greeting"}},
		{"talks one line without end", func(conn net.Conn, _ func() string) {
			for {
				if _, err := io.WriteString(conn, strings.Repeat("2", 4096)); err != nil {
					return
				}
			}
		}, outcome{Deferred: true, Error: "the mail could not be sent: the server said more than 256 KiB at greeting"}},
		{"hangs up before it would take the content", func(conn net.Conn, hear func() string) {
			say(conn, hear, "220 x", "250 x", "250 x", "250 x")
			hear()
		}, outcome{Deferred: true, Error: "the mail could not be sent: the connection was lost at DATA"}},
		{"takes the mail and then makes trouble", func(conn net.Conn, hear func() string) {
			say(conn, hear, "220 x", "250 x", "250 x", "250 x", "354 x")
			for hear() != "." {
			}
			_, _ = io.WriteString(conn, "250 taken\r\n500 what?\r\n")
		}, outcome{}},
		{"answers the content with nonsense", func(conn net.Conn, hear func() string) {
			say(conn, hear, "220 x", "250 x", "250 x", "250 x", "354 x")
			for hear() != "." {
			}
			_, _ = io.WriteString(conn, "hello "+matchingID+"\r\n")
		}, outcome{Deferred: true, Unknown: true, Error: "the mail may have been sent: the server's answer was lost: the mail could not be sent: the server does not speak SMTP at content"}},
		{"writes control characters", func(conn net.Conn, hear func() string) {
			say(conn, hear, "220 x", "250 x", "250 x", "550-5.1.1 no \x1b[31m<ann@example.com>\r\n550 5.1.1 "+strings.Repeat("y", 5000))
		}, outcome{Refused: true, Code: 550, Enhanced: "5.1.1", Error: "the mail server refused the mail: 550 5.1.1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := sender(t, script(t, tc.serve)).Send(t.Context(), "ann@example.com", messageID, rendered(t, "Japan"))
			if diff := cmp.Diff(tc.want, outcomeOf(err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if err != nil {
				mustNotTell(t, err)
			}
			var refused *Refused
			if errors.As(err, &refused) && len([]rune(refused.Text)) > maxAnswerText {
				t.Errorf("the text has %d characters", len(refused.Text))
			}
		})
	}
}

func TestAConnectionThatBreaksWithinTheContentIsWorthAnotherTry(t *testing.T) {
	server := script(t, func(conn net.Conn, hear func() string) {
		say(conn, hear, "220 x", "250 x", "250 x", "250 x", "354 x")
		hear()
		// Unread data makes the kernel reset the connection.
		if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
			t.Error(err)
		}
	})
	message := rendered(t, "Japan")
	message.QR = make([]byte, 16<<20)
	got := outcomeOf(sender(t, server).Send(t.Context(), "ann@example.com", messageID, message))
	want := outcome{Deferred: true, Error: "the mail could not be sent: the connection was lost at content"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAServerThatNeverAnswersIsLeftInTime(t *testing.T) {
	server := script(t, func(conn net.Conn, _ func() string) {
		for !hungUp(conn) {
		}
	})
	server.Timeout = 50 * time.Millisecond
	got := outcomeOf(sender(t, server).Send(t.Context(), "ann@example.com", messageID, rendered(t, "Japan")))
	// On a machine that is busy the time may be over before there is a connection.
	if !got.Deferred || got.Unknown || !strings.Contains(got.Error, "the server did not answer in time at ") {
		t.Errorf("the outcome is %+v", got)
	}
}

func TestACancelledContextEndsTheDialogue(t *testing.T) {
	for name, tc := range map[string]struct {
		answers []string
		until   string
		want    outcome
	}{
		"before the content": {[]string{"220 x", "250 x"}, "MAIL FROM:<receipts@shop.example>",
			outcome{Deferred: true, Error: "the mail could not be sent: the server did not answer in time at MAIL"}},
		"after the content": {[]string{"220 x", "250 x", "250 x", "250 x", "354 x"}, ".",
			outcome{Deferred: true, Unknown: true, Error: "the mail may have been sent: the server's answer was lost: the mail could not be sent: the server did not answer in time at content"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			server := script(t, func(conn net.Conn, hear func() string) {
				say(conn, hear, tc.answers...)
				for hear() != tc.until {
				}
				cancel()
				for !hungUp(conn) {
				}
			})
			started := time.Now()
			got := outcomeOf(sender(t, server).Send(ctx, "ann@example.com", messageID, rendered(t, "Japan")))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if took := time.Since(started); took >= server.Timeout {
				t.Errorf("it ended after %s, by its own timeout", took)
			}
		})
	}
}

// hungUp waits for the client to say something or to hang up, and tells which.
func hungUp(conn net.Conn) bool {
	_, err := conn.Read(make([]byte, 1))
	return err != nil
}
