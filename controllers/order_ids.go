package controllers

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// requestID names an attempt at the operator. It derives from UID and attempt, so that a
// process that starts anew calls with the same.
func requestID(uid types.UID, attempt int32) string {
	return fmt.Sprintf("%s-%d", strings.ReplaceAll(string(uid), "-", ""), attempt)
}
