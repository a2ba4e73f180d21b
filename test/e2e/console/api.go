package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// api is the REST API, to see from outside what the console did.
type api struct{ base, token string }

type order struct {
	ID             int64  `json:"id"`
	ActivationCode string `json:"activation_code"`
	ICCID          string `json:"iccid"`
	Email          string `json:"notification_email"`
	Status         string `json:"status"`
	Installed      bool   `json:"is_installed"`
}

// do makes a request. The answer is read into a value, where there is one.
func (a api) do(method, address, body string, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body)) //nolint:gosec // the address is that of `make run`.
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(request) //nolint:gosec // likewise.
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s is answered %s", method, address, answer.Status)
	} else if into != nil {
		err = json.NewDecoder(answer.Body).Decode(into)
	}
	return errors.Join(err, answer.Body.Close())
}

func (a api) orders() ([]order, error) {
	var all []order
	err := a.do(http.MethodGet, a.base+"/api/v1/esim/orders?per_page=500", "", &all)
	return all, err
}

func (a api) order(id int64) (order, error) {
	var one order
	err := a.do(http.MethodGet, fmt.Sprintf("%s/api/v1/esim/orders/%d", a.base, id), "", &one)
	return one, err
}

// control has the simulator do something.
func (a api) control(method, path, body string) error {
	return a.do(method, os.Getenv("SMDP_CONTROL")+"/"+path, body, nil)
}

// within tries until it is true, or patience is over.
func within(what string, ok func() (bool, error)) error {
	last := time.Now().Add(patience)
	for {
		done, err := ok()
		if err != nil || done {
			return err
		}
		if time.Now().After(last) {
			return errors.New(what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
