//go:build unix

package main

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

// variables is an environment.
func variables(pairs ...string) func(string) string {
	environment := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		environment[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return environment[name] }
}

func TestPortsAreFixedUnlessAVariableSaysOtherwise(t *testing.T) {
	ports, err := readPorts(variables("RUN_APISERVER_PORT", "7443"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range knownPorts {
		want := p.usual
		if p.name == apiServerPort {
			want = 7443
		}
		if ports[p.name] != want {
			t.Errorf("the port of %s is %d, want %d", p.use, ports[p.name], want)
		}
	}
}

func TestPortsThatCannotBeAreNamed(t *testing.T) {
	tests := map[string]struct {
		environment func(string) string
		want        []string
	}{
		"no number":                {variables("RUN_ETCD_PORT", "http"), []string{"RUN_ETCD_PORT", `"http"`, "1 to 65535"}},
		"zero":                     {variables("RUN_ETCD_PORT", "0"), []string{"RUN_ETCD_PORT"}},
		"too large":                {variables("RUN_SMDP_PORT", "65536"), []string{"RUN_SMDP_PORT"}},
		"two of one port":          {variables("RUN_SMDP_PORT", "18081"), []string{"RUN_SMDP_PORT", "RUN_HEALTH_PORT", "18081"}},
		"two variables of one":     {variables("RUN_ETCD_PORT", "5", "RUN_SMDP_PORT", "5"), []string{"RUN_ETCD_PORT", "RUN_SMDP_PORT"}},
		"two that are wrong alike": {variables("RUN_ETCD_PORT", "x", "RUN_SMDP_PORT", "y"), []string{"RUN_ETCD_PORT", "RUN_SMDP_PORT"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := readPorts(test.environment)
			if err == nil {
				t.Fatal("the ports were accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %s", err, want)
				}
			}
		})
	}
}

func TestATakenPortIsNamedWithItsVariable(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	}()
	number := taken.Addr().(*net.TCPAddr).Port
	s := freePorts(t)
	s.Ports[es2plusPort] = number

	err = checkPorts(s)
	if err == nil {
		t.Fatalf("port %d is taken, and nobody says so", number)
	}
	for _, want := range []string{strconv.Itoa(number), "RUN_SMDP_PORT"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "RUN_ETCD_PORT") {
		t.Errorf("%q names a port that is free", err)
	}
}

func TestFreePortsAreAccepted(t *testing.T) {
	if err := checkPorts(freePorts(t)); err != nil {
		t.Error(err)
	}
}

// freePorts are settings with ports that nothing listens on.
func freePorts(t *testing.T) settings {
	t.Helper()
	s := settings{Root: t.TempDir(), Dir: t.TempDir(), Ports: map[portName]int{}}
	var open []net.Listener
	for _, p := range knownPorts {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, listener)
		s.Ports[p.name] = listener.Addr().(*net.TCPAddr).Port
	}
	for _, listener := range open {
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}
