package stand

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	readyLimit = time.Minute
	// MaxAnswer is how much of an answer is read, in bytes.
	MaxAnswer = 256 << 20
)

// FreeAddresses are addresses that nothing listens on now. Each is taken until all are found.
func FreeAddresses(ctx context.Context, n int) ([]string, error) {
	var found []string
	var taken []net.Listener
	var errs []error
	for range n {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			errs = append(errs, fmt.Errorf("looking for a free port: %w", err))
			break
		}
		found, taken = append(found, listener.Addr().String()), append(taken, listener)
	}
	for _, listener := range taken {
		errs = append(errs, listener.Close())
	}
	return found, errors.Join(errs...)
}

// AwaitAnswer waits until a URL answers with a success.
func AwaitAnswer(ctx context.Context, url string) error {
	return Until(ctx, readyLimit, "an answer of "+url, func() (bool, error) {
		_, err := Exchange(ctx, http.MethodGet, url, "")
		return err == nil, nil
	})
}

// Until waits for something to become true, and says what where it does not.
func Until(ctx context.Context, limit time.Duration, what string, met func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := met(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// Exchange sends a request and returns the body of an answer that is a success.
func Exchange(ctx context.Context, method, url, body string) (_ []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", url, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s %s answers %s: %s", method, url, response.Status, answer)
	}
	return answer, nil
}

// WriteKubeconfig writes a client's configuration, of which a certificate tells who it is, into a file.
func WriteKubeconfig(path string, of *rest.Config) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["stand"] = &clientcmdapi.Cluster{Server: of.Host, CertificateAuthorityData: of.CAData}
	config.AuthInfos["stand"] = &clientcmdapi.AuthInfo{ClientCertificateData: of.CertData, ClientKeyData: of.KeyData}
	config.Contexts["stand"] = &clientcmdapi.Context{Cluster: "stand", AuthInfo: "stand"}
	config.CurrentContext = "stand"
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return nil
}
