package esimaccess

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestTheLastOrdersAreRemembered(t *testing.T) {
	book := newOrderBook(3)
	for i := range 5 {
		book.note(placed{requestID: strconv.Itoa(i), orderNo: "B" + strconv.Itoa(i)})
	}
	book.note(placed{requestID: "3", orderNo: "B3-again"})
	book.forget("4")
	book.forget("nobody's")
	for id, want := range map[string]string{"0": "", "1": "", "2": "B2", "3": "B3-again", "4": ""} {
		if got, _ := book.find(id); got.orderNo != want {
			t.Errorf("order %s is remembered as %q, want %q", id, got.orderNo, want)
		}
	}
	if len(book.entries) != book.recent.Len() {
		t.Errorf("%d entries, %d in the list", len(book.entries), book.recent.Len())
	}
}

func TestOneAtATimeWorksOnARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		leave, err := turns.take(t.Context(), "A")
		if err != nil {
			t.Fatal(err)
		}
		other, err := turns.take(t.Context(), "B")
		if err != nil {
			t.Fatalf("another request waits: %v", err)
		}
		other()
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := turns.take(hurried, "A"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the turn was taken twice, or waiting ended with %v", err)
		}
		entered := make(chan struct{})
		go func() {
			leave, err := turns.take(t.Context(), "A")
			if err != nil {
				t.Error(err)
				return
			}
			close(entered)
			leave()
		}()
		synctest.Wait()
		select {
		case <-entered:
			t.Fatal("two work on one request")
		default:
		}
		leave()
		<-entered
		synctest.Wait()
		if len(turns.busy) != 0 {
			t.Errorf("%d turns are remembered after their end", len(turns.busy))
		}
	})
}

func TestLookUpsGrowRareAndNeverMissTheEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		settleAfter := time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Hour)).Draw(t, "settleAfter"))
		wait := time.Duration(rapid.Int64Range(1, int64(2*settleAfter)).Draw(t, "wait"))
		looks := 0
		for left := wait; left > 0; looks++ {
			pause := lookAfter(left, settleAfter)
			if pause <= 0 || pause > left {
				t.Fatalf("with %v left, the next look is after %v", left, pause)
			}
			left -= pause
		}
		if most := 30 + int(wait/firstLook)/2; looks > most {
			t.Fatalf("%d looks within %v", looks, wait)
		}
	})
}

func TestAnOrderIsAskedForOftenOnlyWhileItIsYoung(t *testing.T) {
	for age, want := range map[time.Duration]time.Duration{
		0: 2 * time.Second, 4 * time.Second: 2 * time.Second, 5 * time.Second: 5 * time.Second, 59 * time.Second: 5 * time.Second,
		2 * time.Minute: 30 * time.Second, 24 * time.Hour: 2 * time.Minute,
	} {
		if got := pollAfter(age); got != want {
			t.Errorf("an order %v old is asked for after %v, want %v", age, got, want)
		}
	}
}
