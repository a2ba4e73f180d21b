package controllers

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
)

// maxNumber is the largest number that a product or variant can have: 31 bits, which every
// REST client's integer holds.
const maxNumber = 1<<31 - 1

// HashName is the number that a name gets where nobody else has it: the first 31 bits of its
// SHA-256.
func HashName(name string) int64 {
	sum := sha256.Sum256([]byte(name))
	return int64(binary.BigEndian.Uint32(sum[:4]) >> 1)
}

// holder is who has a number: a product, or a variant of it where the name is not empty.
type holder struct {
	product, name string
}

func (h holder) String() string {
	if h.name == "" {
		return h.product
	}
	return h.product + "/" + h.name
}

// numberRequest asks for a number for one name of a product.
type numberRequest struct {
	name string
	// wanted is the number in the spec; 0 where there is none.
	wanted int64
	// before is the number that the name had last; 0 where it had none.
	before int64
	// stored is the number in the status, which people may have seen; 0 where there is none.
	stored int64
	// left tells that the name is no more. It keeps its number as long as nobody of the same
	// product asks for it.
	left bool
}

// takenNumber is a number that a name wants and another has.
type takenNumber struct {
	name   string
	number int64
	owner  holder
}

// numbers gives names their numbers: a name has one at most, and a number one name at most.
type numbers struct {
	hash  func(name string) int64
	owner map[int64]holder
	// held is the same by product and name.
	held map[string]map[string]int64
	// fading are the numbers that the stored status of a product still shows, though it has
	// others now: they are owned until the new status is stored.
	fading map[string][]int64
	// waiting are the numbers that a product wants and others have.
	waiting map[string][]int64
}

func newNumbers(hash func(name string) int64) numbers {
	return numbers{
		hash: hash, owner: map[int64]holder{}, held: map[string]map[string]int64{},
		fading: map[string][]int64{}, waiting: map[string][]int64{},
	}
}

// claim gives the number to one that has none yet, and tells whether it was free.
func (n *numbers) claim(by holder, number int64) bool {
	if _, taken := n.owner[number]; taken || number <= 0 {
		return false
	}
	if n.held[by.product] == nil {
		n.held[by.product] = map[string]int64{}
	}
	n.owner[number], n.held[by.product][by.name] = by, number
	return true
}

// fade lets nobody have the number until the product is asked for again; nothing happens where
// it is owned.
func (n *numbers) fade(by holder, number int64) {
	if _, owned := n.owner[number]; !owned && number > 0 {
		n.owner[number] = by
		n.fading[by.product] = append(n.fading[by.product], number)
	}
}

// derive gives a number made from the name: the hash, or the next one that is free.
func (n *numbers) derive(by holder) {
	number := n.hash(by.String())
	for !n.claim(by, number) {
		number = number%maxNumber + 1
	}
}

// release takes all numbers of a product away.
func (n *numbers) release(product string) {
	for _, number := range n.held[product] {
		delete(n.owner, number)
	}
	for _, number := range n.fading[product] {
		delete(n.owner, number)
	}
	delete(n.held, product)
	delete(n.fading, product)
	delete(n.waiting, product)
}

// assign gives a product the numbers that it asks for. First come names that are there and
// keep what they had; then those whose number is in the spec, together, so that two may swap;
// then names that have none yet, by a derived one; names that left have what is over. A name
// whose wanted number is another's keeps what it had, or has none. Asked again, assign does
// the same.
func (n *numbers) assign(product string, requests []numberRequest) []takenNumber {
	n.release(product)
	by := func(r numberRequest) holder { return holder{product, r.name} }
	for _, r := range requests {
		if r.wanted == 0 && !r.left {
			n.claim(by(r), r.before)
		}
	}
	var taken []takenNumber
	for _, r := range requests {
		if r.wanted > 0 && !n.claim(by(r), r.wanted) {
			taken = append(taken, takenNumber{r.name, r.wanted, n.owner[r.wanted]})
			n.waiting[product] = append(n.waiting[product], r.wanted)
		}
	}
	for _, r := range requests {
		_, has := n.held[product][r.name]
		switch {
		case has:
		case r.wanted > 0 || r.left:
			n.claim(by(r), r.before)
		default:
			n.derive(by(r))
		}
	}
	for _, r := range requests {
		n.fade(by(r), r.stored)
	}
	return taken
}

// served are the products that wait for a number that nobody has any more.
func (n *numbers) served() []string {
	var products []string
	for product, wanted := range n.waiting {
		if slices.ContainsFunc(wanted, func(number int64) bool { return n.owner[number] == holder{} }) {
			products = append(products, product)
		}
	}
	return products
}

// sortedNames are the names of what a product holds, in alphabetical order.
func sortedNames(held map[string]int64) []string { return slices.Sorted(maps.Keys(held)) }
