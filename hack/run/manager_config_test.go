//go:build unix

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/internal/manager"
)

// readManagerConfig as the manager does.
func readManagerConfig(t *testing.T, s settings) manager.Config {
	t.Helper()
	config, err := manager.ReadConfig([]string{"--config", s.file("manager.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestTheManagersConfigurationStaysTheUsersAndFollowsThePorts(t *testing.T) {
	s := usualSettings(t)
	if err := writeManagerConfig(s); err != nil {
		t.Fatal(err)
	}
	first := readManagerConfig(t, s)
	if got := first.Notifications.BindAddress; got != "127.0.0.1:18445" {
		t.Errorf("at first notifications are taken at %s", got)
	}
	if first.Mail.Host != host || first.Mail.Port != 18025 {
		t.Errorf("mail goes to %s:%d", first.Mail.Host, first.Mail.Port)
	}

	text, err := os.ReadFile(s.file("manager.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	theirs := strings.Replace(string(text), "logLevel: info", "logLevel: debug # theirs", 1)
	if err := os.WriteFile(s.file("manager.yaml"), []byte(theirs), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Ports[notificationsPort] = 28445
	for range 2 { // a second time changes nothing
		if err := writeManagerConfig(s); err != nil {
			t.Fatal(err)
		}
		config := readManagerConfig(t, s)
		if config.LogLevel != "debug" || config.Notifications.BindAddress != "127.0.0.1:28445" {
			t.Errorf("then the log level is %s, and notifications are taken at %s", config.LogLevel, config.Notifications.BindAddress)
		}
	}
	if text, err = os.ReadFile(s.file("manager.yaml")); err != nil || !strings.Contains(string(text), "# theirs") {
		t.Errorf("the user's part is gone: %v", err)
	}
}

func TestAConfigurationWithoutOurPartGetsIt(t *testing.T) {
	s := usualSettings(t)
	if err := os.WriteFile(s.file("manager.yaml"), []byte("workers: 7"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeManagerConfig(s); err != nil {
		t.Fatal(err)
	}
	if config := readManagerConfig(t, s); config.Workers != 7 || config.Notifications.BindAddress == "0" {
		t.Errorf("the configuration is %+v", config)
	}
}
