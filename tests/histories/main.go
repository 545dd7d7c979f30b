// SPDX-License-Identifier: Apache-2.0

// Judges histories that scripts/check_histories recorded: whether there is an order of all operations, each between its
// call and its return, in which a coordinator that nobody can see into does what docs/protocol.md says.
//
//	histories FILE    operations as JSON, one a line; exit code 1 where a task's history has no such order
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// Operation is one line. Everything that concerns one task has its key; a takeover concerns all of them.
type Operation struct {
	Key         string `json:"key"`
	Client      int    `json:"client"`
	Call        int64  `json:"call"`
	Return      int64  `json:"return"` // -1: whether it was done is not known
	Kind        string `json:"kind"`   // takeover, submit, cancel, get, lease, report
	Coordinator int    `json:"coordinator"`
	Run         string `json:"run"` // by the client's own name of it, the request id
	Token       uint64 `json:"token"`
	Worker      string `json:"worker"`
	Answer      string `json:"answer"` // of get: absent, active, succeeded, cancelled; of report: taken, refused
	Value       string `json:"value"`  // reported, or what a run that succeeded shows
}

// Known is what a coordinator knows of one task and its runs.
type Known struct {
	Runs   map[string]string // active or cancelled
	Token  uint64            // the largest
	Worker string            // who has that
	Done   bool
	Taken  uint64 // the token it was done under
	Value  string
}

func (known Known) with(change func(*Known)) Known {
	next := known
	next.Runs = maps.Clone(known.Runs)
	change(&next)
	return next
}

func (known Known) stateOf(run string) string {
	state, there := known.Runs[run]
	switch {
	case !there:
		return "absent"
	case state == "active" && known.Done:
		return "succeeded"
	default:
		return state
	}
}

// State is the database, as who leads knows it, and what each coordinator knew when another took over.
type State struct {
	Leader int
	Known  Known
	Frozen map[int]Known
}

func (state State) write(change func(*Known)) []interface{} {
	return []interface{}{State{state.Leader, state.Known.with(change), state.Frozen}}
}

// What may follow; none where the answer is impossible.
func step(before, input interface{}) []interface{} {
	state, operation := before.(State), input.(Operation)
	same := []interface{}{state}
	if operation.Kind == "takeover" {
		frozen := maps.Clone(state.Frozen)
		frozen[state.Leader] = state.Known
		return []interface{}{State{operation.Coordinator, state.Known, frozen}}
	}
	leads := operation.Coordinator == state.Leader
	if operation.Kind == "get" {
		known, there := state.Known, true
		if !leads {
			known, there = state.Frozen[operation.Coordinator]
		}
		if !there || known.stateOf(operation.Run) != operation.Answer {
			return nil
		}
		if operation.Answer == "succeeded" && operation.Value != known.Value {
			return nil
		}
		return same
	}
	// A refusal changes nothing, whoever says it.
	if operation.Answer == "refused" {
		return same
	}
	if leads {
		changed := apply(state, operation)
		if operation.Return < 0 {
			return append(same, changed...)
		}
		return changed
	}
	if operation.Return < 0 {
		return same
	}
	// Who does not lead any more changes nothing; what it needs to change nothing for, it may acknowledge from its memory.
	known, there := state.Frozen[operation.Coordinator]
	if !there {
		return nil
	}
	for _, after := range apply(State{state.Leader, known, state.Frozen}, operation) {
		if equal(after.(State).Known, known) {
			return same
		}
	}
	return nil
}

func apply(state State, operation Operation) []interface{} {
	known := state.Known
	switch operation.Kind {
	case "submit":
		return state.write(func(next *Known) {
			if _, there := next.Runs[operation.Run]; !there {
				next.Runs[operation.Run] = "active"
			}
		})
	case "cancel":
		if known.stateOf(operation.Run) != "active" {
			return []interface{}{state}
		}
		return state.write(func(next *Known) { next.Runs[operation.Run] = "cancelled" })
	case "lease":
		again := operation.Token == known.Token && operation.Worker == known.Worker
		if known.Done || operation.Token < known.Token || (operation.Token == known.Token && !again) {
			return nil
		}
		return state.write(func(next *Known) { next.Token, next.Worker = operation.Token, operation.Worker })
	case "report":
		if known.Done && known.Taken == operation.Token {
			return []interface{}{state} // the same report again
		}
		if known.Done || operation.Token != known.Token || operation.Worker != known.Worker {
			return nil
		}
		return state.write(func(next *Known) { next.Done, next.Taken, next.Value = true, operation.Token, operation.Value })
	}
	return nil
}

var model = porcupine.NondeterministicModel{
	Init: func() []interface{} {
		return []interface{}{State{-1, Known{Runs: map[string]string{}}, map[int]Known{}}}
	},
	Step: func(state, input, _ interface{}) []interface{} { return step(state, input) },
	Equal: func(a, b interface{}) bool {
		left, right := a.(State), b.(State)
		return left.Leader == right.Leader && equal(left.Known, right.Known) && maps.EqualFunc(left.Frozen, right.Frozen, equal)
	},
	DescribeOperation: func(input, _ interface{}) string { return fmt.Sprintf("%+v", input) },
}

func equal(a, b Known) bool {
	return maps.Equal(a.Runs, b.Runs) && a.Token == b.Token && a.Worker == b.Worker && a.Done == b.Done &&
		a.Taken == b.Taken && a.Value == b.Value
}

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	byKey := map[string][]porcupine.Operation{}
	var takeovers []porcupine.Operation
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var one Operation
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		operation := porcupine.Operation{ClientId: one.Client, Input: one, Call: one.Call, Return: one.Return}
		if one.Return < 0 {
			operation.Return = math.MaxInt64
		}
		if one.Kind == "takeover" {
			takeovers = append(takeovers, operation)
		} else {
			byKey[one.Key] = append(byKey[one.Key], operation)
		}
	}
	keys := make([]string, 0, len(byKey))
	for key := range byKey {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	operations, bad := 0, 0
	for _, key := range keys {
		history := append(append([]porcupine.Operation{}, takeovers...), byKey[key]...)
		operations += len(byKey[key])
		result := porcupine.CheckOperationsTimeout(model.ToModel(), history, time.Minute)
		if result == porcupine.Ok {
			continue
		}
		bad++
		fmt.Printf("task %s: %s\n", key, result)
		sort.Slice(history, func(i, j int) bool { return history[i].Call < history[j].Call })
		for _, operation := range history {
			fmt.Printf("  %+v\n", operation.Input)
		}
	}
	fmt.Printf("%d tasks, %d operations, %d takeovers, %d histories without an order\n", len(keys), operations, len(takeovers), bad)
	if bad > 0 {
		os.Exit(1)
	}
}
