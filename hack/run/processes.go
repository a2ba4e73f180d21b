//go:build unix

package main

import (
	"path/filepath"
	"time"

	"github.com/telcodev/esim-operator/hack/run/internal/supervise"
)

const (
	// defaultStock of every profile type: more than a day of playing sells.
	defaultStock = "100000"
	// stockedPlans are the profile types that are in stock, such as JP-1GB-7D and
	// HK-UNLIMITED-7D: those of the samples, and what one makes up in their way. Any other
	// type is unknown to the simulator, so that an order for one can be seen to fail.
	stockedPlans = `^[A-Z]{2,3}-([0-9]+(GB|MB)|UNLIMITED)-[0-9]+D$`
	// etcdQuota is etcd's recommended maximum, for load tests.
	etcdQuota = "8589934592"
)

func etcdProcess(s settings, assets string) supervise.Process {
	client, peer := "https://"+s.address(etcdPort), "https://"+s.address(etcdPeerPort)
	pki := func(name string) string { return s.file("pki", name) }
	return supervise.Process{
		Name: "etcd",
		Path: filepath.Join(assets, "etcd"),
		Args: []string{
			"--name=development",
			"--data-dir=" + s.file("etcd"),
			"--listen-client-urls=" + client,
			"--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer,
			"--initial-advertise-peer-urls=" + peer,
			"--initial-cluster=development=" + peer,
			"--cert-file=" + pki("etcd.crt"),
			"--key-file=" + pki("etcd.key"),
			"--client-cert-auth=true",
			"--trusted-ca-file=" + pki("etcd-ca.crt"),
			"--peer-cert-file=" + pki("etcd.crt"),
			"--peer-key-file=" + pki("etcd.key"),
			"--peer-client-cert-auth=true",
			"--peer-trusted-ca-file=" + pki("etcd-ca.crt"),
			"--quota-backend-bytes=" + etcdQuota,
		},
		StopTimeout: 15 * time.Second,
	}
}

func apiServerProcess(s settings, assets string) supervise.Process {
	pki := func(name string) string { return s.file("pki", name) }
	return supervise.Process{
		Name: "kube-apiserver",
		Path: filepath.Join(assets, "kube-apiserver"),
		Args: []string{
			"--etcd-servers=https://" + s.address(etcdPort),
			"--etcd-cafile=" + pki("etcd-ca.crt"),
			"--etcd-certfile=" + pki("etcd-client.crt"),
			"--etcd-keyfile=" + pki("etcd-client.key"),
			"--bind-address=" + host,
			"--advertise-address=" + host,
			"--secure-port=" + s.port(apiServerPort),
			"--cert-dir=" + s.file("pki"),
			"--tls-cert-file=" + pki("kube-apiserver.crt"),
			"--tls-private-key-file=" + pki("kube-apiserver.key"),
			"--client-ca-file=" + pki("ca.crt"),
			"--anonymous-auth=false",
			"--authorization-mode=RBAC",
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + pki("sa.pub"),
			"--service-account-signing-key-file=" + pki("sa.key"),
			"--service-cluster-ip-range=10.0.0.0/24",
			// No Pods run here, so none needs a service account, nor the Endpoints of this server.
			"--disable-admission-plugins=ServiceAccount",
			"--endpoint-reconciler-type=none",
		},
		StopTimeout: 30 * time.Second,
	}
}

func simulatorProcess(s settings) supervise.Process {
	return supervise.Process{
		Name: "smdp-simulator",
		Path: s.file("bin", "smdp-simulator"),
		Args: []string{
			"--address=" + s.address(es2plusPort),
			"--zendit-address=" + s.address(zenditPort),
			"--esim-access-address=" + s.address(esimAccessPort),
			"--airalo-address=" + s.address(airaloPort),
			"--control-address=" + s.address(controlPort),
			"--data=" + s.file("smdp"),
			"--default-stock=" + defaultStock,
			"--default-stock-pattern=" + stockedPlans,
			"--smdp-address=rsp.example.com",
			"--notify-url=https://" + s.address(notificationsPort),
			"--notify-ca=" + s.file("pki", notificationsCA+".crt"),
		},
		StopTimeout: 15 * time.Second,
	}
}

// mailboxProcess takes the receipts that customers would get.
func mailboxProcess(s settings) supervise.Process {
	return supervise.Process{
		Name:        "mailbox",
		Path:        s.file("bin", "mailbox"),
		Args:        []string{"-smtp=" + s.address(smtpPort), "-http=" + s.address(mailboxPort)},
		StopTimeout: 10 * time.Second,
	}
}

// webhooksProcess is the client's own end: it takes events and checks their signatures.
func webhooksProcess(s settings) supervise.Process {
	return supervise.Process{
		Name:        "webhooks",
		Path:        s.file("bin", "webhooks"),
		Args:        []string{"-http=" + s.address(webhooksPort), "-secret-file=" + s.file(signingSecretFile)},
		StopTimeout: 10 * time.Second,
	}
}

func facadeProcess(s settings) supervise.Process {
	return supervise.Process{
		Name:        "facade",
		Path:        s.file("bin", "manager"),
		Args:        []string{"facade", "--bind-address=" + s.address(restPort), "--metrics-bind-address=" + s.address(restMetricsPort)},
		Env:         []string{"KUBECONFIG=" + s.file("facade.kubeconfig")},
		StopTimeout: 20 * time.Second,
	}
}

func managerProcess(s settings) supervise.Process {
	return supervise.Process{
		Name: "manager",
		Path: s.file("bin", "manager"),
		Args: []string{
			"controllers",
			"--config=" + s.file("manager.yaml"),
			"--metrics-bind-address=" + s.address(metricsPort),
			"--health-probe-bind-address=" + s.address(healthPort),
		},
		Env: []string{"KUBECONFIG=" + s.file("manager.kubeconfig")},
		// Calls to operators that are in flight may end and be recorded.
		StopTimeout: 45 * time.Second,
	}
}
