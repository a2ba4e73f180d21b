package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/cmd/smdp-simulator/internal/wholesale"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/version"
)

//go:embed help.txt
var helpText string

// settings are what the command line says.
type settings struct {
	options smdp.Options
	// clients to have certificates for.
	clients []string
	// wholesalers to serve, with their addresses.
	wholesalers map[string]string
	latency     smdp.Latency
}

// parse reads the command line. flag.ErrHelp means that help was asked for and given to out,
// errTold that something else was; logs will go to logs.
func parse(args []string, out, logs io.Writer) (settings, error) {
	var s settings
	var logging logFlags
	var notifyCA string
	var showVersion bool
	flags := flag.NewFlagSet("smdp-simulator", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are told by who called; help is ours
	s.listenFlags(flags)
	s.stockFlags(flags)
	s.conductFlags(flags)
	flags.StringVar(&notifyCA, "notify-ca", "", "PEM `file` by which the certificate of --notify-url is checked; without it the own CA")
	flags.StringVar(&logging.format, "log-format", "text", "`format`: text or json")
	flags.TextVar(&logging.level, "log-level", slog.LevelInfo, "`level`: debug, info, warn or error")
	flags.BoolVar(&showVersion, "version", false, "print the version and end")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			usage(flags, out)
		}
		return settings{}, err
	}
	switch {
	case showVersion:
		return settings{}, tellVersion(out)
	case flags.NArg() > 0:
		return settings{}, fmt.Errorf("unexpected %q: everything is given by flags", flags.Arg(0))
	case len(s.wholesalers) > 0 && s.options.DataDir == "":
		return settings{}, errors.New("wholesalers need --data: their credentials must be written somewhere")
	case len(s.clients) > 0 && s.options.DataDir == "":
		return settings{}, errors.New("--client needs --data: the certificates must be written somewhere")
	}
	var err error
	if s.options.Logger, err = logging.logger(logs); err != nil {
		return settings{}, err
	}
	if notifyCA != "" {
		if s.options.Notifications.CA, err = os.ReadFile(notifyCA); err != nil {
			return settings{}, fmt.Errorf("--notify-ca: %w", err)
		}
	}
	return s, nil
}

// errTold ends the program in good order: all that was asked for is told.
var errTold = errors.New("told")

func tellVersion(out io.Writer) error {
	if _, err := fmt.Fprintln(out, version.Get()); err != nil {
		return fmt.Errorf("telling the version: %w", err)
	}
	return errTold
}

// listenFlags say where, and who may come.
func (s *settings) listenFlags(flags *flag.FlagSet) {
	o := &s.options
	flags.StringVar(&o.Address, "address", "127.0.0.1:18443", "`address` of ES2+")
	flags.StringVar(&o.ControlAddress, "control-address", "127.0.0.1:18444", "`address` of the control API")
	flags.BoolVar(&o.AllowRemoteControl, "allow-remote-control", false,
		"let the control API listen on other than loopback addresses: whoever reaches it can do anything")
	flags.Func("server-name", "host `name` or IP address for the server certificate, besides localhost; repeatable", func(text string) error {
		o.ServerNames = append(o.ServerNames, text)
		return nil
	})
	flags.Func("client", "`name` of a further client to have a certificate for; repeatable", func(text string) error {
		s.clients = append(s.clients, text)
		return nil
	})
	s.wholesalers = map[string]string{}
	for _, name := range []string{wholesale.Zendit, wholesale.ESIMAccess, wholesale.Airalo} {
		flags.Func(name+"-address", "`address` of a wholesaler with the API of "+name+", beside the SM-DP+; without it there is none", func(text string) error {
			s.wholesalers[name] = text
			return nil
		})
	}
	flags.StringVar(&o.DataDir, "data", "", "`folder` for state and certificates; without it they are in memory")
}

// stockFlags say what is sold, and to whom.
func (s *settings) stockFlags(flags *flag.FlagSet) {
	o := &s.options
	o.Stock, o.ProfileTypes = map[string]int{}, map[string][]string{}
	flags.Func("stock", "stock of a profile type at first start, as `TYPE=N`; repeatable", func(text string) error {
		return addStock(o.Stock, text)
	})
	flags.IntVar(&o.DefaultStock, "default-stock", 0, "`number` of profiles of any other type, at its first order; 0: such a type is unknown")
	flags.Func("default-stock-pattern", "`regular expression` for the types that --default-stock is for; without it all", func(text string) (err error) {
		o.DefaultStockPattern, err = regexp.Compile(text)
		return err
	})
	flags.Func("allow", "types that a client may order, and no others, as `CLIENT=TYPE,TYPE…`; repeatable", func(text string) error {
		return addAllowed(o.ProfileTypes, text)
	})
	flags.StringVar(&o.ICCIDPrefix, "iccid-prefix", smdp.DefaultICCIDPrefix, "first `digits` of all ICCIDs")
}

// conductFlags say how calls are answered.
func (s *settings) conductFlags(flags *flag.FlagSet) {
	o := &s.options
	flags.StringVar(&o.SMDPAddress, "smdp-address", "rsp.example.com", "`host` that ConfirmOrder answers for activation codes; empty answers none")
	flags.StringVar(&o.Notifications.URL, "notify-url", "", "`URL` of the operator that notifications are sent to; without it none are")
	flags.Func("notify-point", "a vendor's own number of a notification point, as `NAME=N`: installed, enabled, disabled or deleted; repeatable", func(text string) error {
		return setPoint(&o.Notifications.Points, text)
	})
	flags.Func("latency", "`time` each call takes, such as 200ms, or min/mean/p99 of a distribution, such as 50ms/200ms/1.5s", func(text string) (err error) {
		s.latency, err = parseLatency(text)
		return err
	})
	flags.BoolVar(&o.Behaviour.TrailingF, "trailing-f", false, "answer ICCIDs with a trailing F")
	flags.BoolVar(&o.Behaviour.ReplayCalls, "replay-calls", false, "answer a repeated functionCallIdentifier as before, and do nothing")
}

// logFlags say how logs are written.
type logFlags struct {
	level  slog.Level
	format string
}

func (l logFlags) logger(out io.Writer) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: l.level}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(out, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(out, options)), nil
	}
	return nil, fmt.Errorf("--log-format must be text or json, not %q", l.format)
}

func addStock(stock map[string]int, text string) error {
	profileType, number, found := cutLast(text, "=")
	n, err := strconv.Atoi(number)
	if !found || profileType == "" || err != nil || n < 0 {
		return errors.New("must be TYPE=N, such as JP-1GB-7D=1000")
	}
	stock[profileType] = n
	return nil
}

// cutLast cuts around the last separator: a profile type may hold one too.
func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

func addAllowed(allowed map[string][]string, text string) error {
	client, types, found := strings.Cut(text, "=")
	if !found || client == "" {
		return errors.New("must be CLIENT=TYPE,TYPE…, such as OPERATOR-2=JP-1GB-7D,FR-5GB-30D")
	}
	for profileType := range strings.SplitSeq(types, ",") {
		if profileType == "" {
			return errors.New("must be CLIENT=TYPE,TYPE…: a type is empty")
		}
		allowed[client] = append(allowed[client], profileType)
	}
	return nil
}

func setPoint(points *smdp.Points, text string) error {
	name, number, _ := strings.Cut(text, "=")
	field, known := map[string]*int{
		"installed": &points.Installed, "enabled": &points.Enabled, "disabled": &points.Disabled, "deleted": &points.Deleted,
	}[name]
	n, err := strconv.Atoi(number)
	if !known || err != nil || n < 1 {
		return errors.New("must be installed=N, enabled=N, disabled=N or deleted=N, such as installed=101")
	}
	*field = n
	return nil
}

// parseLatency reads one duration, or three.
func parseLatency(text string) (smdp.Latency, error) {
	parts := strings.Split(text, "/")
	values := make([]time.Duration, len(parts))
	for i, part := range parts {
		var err error
		if values[i], err = time.ParseDuration(part); err != nil {
			return smdp.Latency{}, fmt.Errorf("%q is not a time such as 200ms", part)
		}
	}
	switch len(values) {
	case 1:
		return smdp.Latency{Fixed: values[0]}, nil
	case 3:
		return smdp.Latency{Min: values[0], Mean: values[1], P99: values[2]}, nil
	}
	return smdp.Latency{}, errors.New("must be one time, or min/mean/p99")
}

// usage is the help. Where it cannot be written there is nobody to tell.
func usage(flags *flag.FlagSet, out io.Writer) {
	_, _ = fmt.Fprintf(out, "%s\nFLAGS\n", helpText)
	flags.SetOutput(out)
	flags.PrintDefaults()
	_, _ = fmt.Fprintf(out, "\n%s\n%s", smdp.ControlGuide, wholesale.ControlGuide)
}
