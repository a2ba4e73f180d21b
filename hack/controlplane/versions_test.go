package main

import (
	"strings"
	"testing"
)

func TestParseVersions(t *testing.T) {
	got, err := parseVersions([]byte(`{"Require":[
		{"Path":"go.etcd.io/etcd/server/v3","Version":"v3.7.0"},
		{"Path":"k8s.io/kubernetes","Version":"v1.37.2","Indirect":true}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := (versions{Kubernetes: "v1.37.2", Etcd: "v3.7.0"}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := got.key("linux", "arm64"), "1.37.2-etcd3.7.0-linux-arm64"; got != want {
		t.Errorf("the key is %q, want %q", got, want)
	}
}

func TestParseVersionsNamesTheModuleThatIsMissing(t *testing.T) {
	_, err := parseVersions([]byte(`{"Require":[{"Path":"k8s.io/kubernetes","Version":"v1.37.2"}]}`))
	if err == nil || !strings.Contains(err.Error(), etcdModule) {
		t.Errorf("got %v, want an error that names %s", err, etcdModule)
	}
}

func TestOwnGoModHasBothVersions(t *testing.T) {
	v, err := readVersions(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := minor(v.Kubernetes); err != nil {
		t.Error(err)
	}
}

func TestStampFlags(t *testing.T) {
	got, err := stampFlags("v1.37.2")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"-X k8s.io/component-base/version.gitVersion=v1.37.2",
		"-X k8s.io/component-base/version.gitMajor=1",
		"-X k8s.io/component-base/version.gitMinor=37",
		"-X k8s.io/client-go/pkg/version.gitVersion=v1.37.2",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not among the flags %q", want, got)
		}
	}
	if _, err := stampFlags("main"); err == nil {
		t.Error("a version that is none was accepted")
	}
}
