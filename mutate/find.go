package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// A mutant is one change to a file.
type mutant struct {
	id            int // from 1
	file          string
	line          int
	function      string
	before, after string
	nth           int // of those in the function that read alike, from 1
}

// key is what the mutant is accepted by: it holds no line number, since lines move.
func (m mutant) key() string {
	nth := ""
	if m.nth > 1 {
		nth = fmt.Sprintf(" (%d)", m.nth)
	}
	return fmt.Sprintf("%s: %s: %s → %s%s", m.file, m.function, m.before, m.after, nth)
}

func (m mutant) String() string {
	file, rest, _ := strings.Cut(m.key(), ": ")
	return fmt.Sprintf("%s:%d: %s", file, m.line, rest)
}

// An insertion puts text around a piece of source.
type insertion struct {
	from, to     int
	open, closed string
}

// A finder collects the mutants of one file, and what to insert for them.
type finder struct {
	path        string
	source      string
	fset        *token.FileSet
	info        *types.Info
	next        *int
	mutants     []mutant
	insertions  []insertion
	operators   []int // offsets of operators of one or two bytes that become a comma
	handled     map[ast.Expr]bool
	function    string
	sameBefore  map[string]int
	resultTypes []*types.Tuple
}

func (f *finder) offset(at token.Pos) int { return f.fset.Position(at).Offset }

func (f *finder) text(node ast.Node) string {
	return strings.Join(strings.Fields(f.source[f.offset(node.Pos()):f.offset(node.End())]), " ")
}

// mutant notes one, and returns its number.
func (f *finder) mutant(node ast.Node, after string) int {
	*f.next++
	m := mutant{
		id: *f.next, file: f.path, line: f.fset.Position(node.Pos()).Line,
		function: f.function, before: f.text(node), after: after,
	}
	reads := m.key()
	f.sameBefore[reads]++
	m.nth = f.sameBefore[reads]
	f.mutants = append(f.mutants, m)
	return m.id
}

func (f *finder) around(node ast.Node, open, closed string) {
	f.insertions = append(f.insertions, insertion{f.offset(node.Pos()), f.offset(node.End()), open, closed})
}

func (f *finder) file(file *ast.File) {
	for _, declaration := range file.Decls {
		switch declaration := declaration.(type) {
		case *ast.FuncDecl:
			f.function = declaration.Name.Name
			if declaration.Recv != nil {
				f.function = strings.TrimPrefix(f.text(declaration.Recv.List[0].Type), "*") + "." + f.function
			}
			if declaration.Body != nil {
				signature, _ := f.info.Defs[declaration.Name].Type().(*types.Signature)
				f.within(signature, declaration.Body)
			}
		case *ast.GenDecl:
			if declaration.Tok == token.VAR {
				f.function = f.text(declaration.Specs[0].(*ast.ValueSpec).Names[0])
				ast.Inspect(declaration, f.visit)
			}
		}
	}
}

func (f *finder) within(signature *types.Signature, body ast.Node) {
	f.resultTypes = append(f.resultTypes, signature.Results())
	ast.Inspect(body, f.visit)
	f.resultTypes = f.resultTypes[:len(f.resultTypes)-1]
}

func (f *finder) visit(node ast.Node) bool {
	switch node := node.(type) {
	case *ast.FuncLit:
		signature, _ := f.info.TypeOf(node).Underlying().(*types.Signature)
		f.within(signature, node.Body)
		return false
	case *ast.GenDecl:
		return node.Tok == token.VAR // constants have to stay constant
	case *ast.ArrayType:
		return false
	case *ast.BlockStmt:
		f.statements(node.List)
	case *ast.CaseClause:
		f.statements(node.Body)
	case *ast.CommClause:
		f.statements(node.Body)
	case *ast.ForStmt:
		if node.Cond != nil {
			f.boolean(node.Cond, false, true) // true would not end
		}
	case *ast.IfStmt:
		f.boolean(node.Cond, true, true)
	case *ast.SwitchStmt:
		if node.Tag != nil {
			break
		}
		for _, clause := range node.Body.List {
			for _, condition := range clause.(*ast.CaseClause).List {
				f.boolean(condition, true, true)
			}
		}
	case *ast.ReturnStmt:
		f.results(node)
	case *ast.ExprStmt:
		if call, is := node.X.(*ast.CallExpr); is {
			f.handled[call] = true // its result is dropped
		}
	case ast.Expr:
		f.expression(node)
	}
	return true
}

// statements leaves out each that the compiler can do without.
func (f *finder) statements(list []ast.Stmt) {
	for _, statement := range list {
		switch statement := statement.(type) {
		case *ast.ExprStmt:
			if call, is := statement.X.(*ast.CallExpr); is {
				if called, is := call.Fun.(*ast.Ident); is && called.Name == "panic" {
					continue // may be what ends the function
				}
			}
		case *ast.AssignStmt:
			blank, is := statement.Lhs[0].(*ast.Ident)
			if statement.Tok == token.DEFINE || is && blank.Name == "_" && len(statement.Lhs) == 1 {
				continue
			}
		case *ast.BranchStmt:
			if statement.Tok == token.GOTO || statement.Tok == token.FALLTHROUGH {
				continue
			}
		case *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
		default:
			continue
		}
		f.around(statement, fmt.Sprintf("if mutant != %d { ", f.mutant(statement, "nothing")), " }")
	}
}

// boolean makes a condition, and what it is made of, true or false.
func (f *finder) boolean(condition ast.Expr, makeTrue, makeFalse bool) {
	if f.handled[condition] {
		return
	}
	f.handled[condition] = true
	if inner, is := condition.(*ast.ParenExpr); is {
		f.boolean(inner.X, makeTrue, makeFalse)
		return
	}
	if value := f.info.Types[condition].Value; value != nil && value.Kind() == constant.Bool {
		makeTrue, makeFalse = makeTrue && !constant.BoolVal(value), makeFalse && constant.BoolVal(value)
	}
	open, closed := "", ""
	if makeTrue {
		open, closed = fmt.Sprintf("(mutant == %d || ", f.mutant(condition, "true")), ")"
	}
	if makeFalse {
		open, closed = open+fmt.Sprintf("(mutant != %d && ", f.mutant(condition, "false")), closed+")"
	}
	f.around(condition, open+"(", ")"+closed)
	if pair, is := condition.(*ast.BinaryExpr); is && (pair.Op == token.LAND || pair.Op == token.LOR) {
		// What makes the whole false, or true, has been said above.
		f.boolean(pair.X, pair.Op == token.LAND, pair.Op == token.LOR)
		f.boolean(pair.Y, pair.Op == token.LAND, pair.Op == token.LOR)
	}
}

func (f *finder) expression(expression ast.Expr) {
	typed := f.info.Types[expression]
	if is := types.Typ[types.Bool]; typed.IsValue() && types.AssignableTo(typed.Type, is) {
		switch expression := expression.(type) {
		case *ast.BinaryExpr, *ast.CallExpr:
			f.boolean(expression, true, true)
		case *ast.UnaryExpr:
			if expression.Op == token.NOT {
				f.boolean(expression, true, true)
				f.handled[expression.X] = true
			}
		case *ast.Ident:
			if expression.Name == "true" || expression.Name == "false" {
				f.boolean(expression, true, true)
			}
		}
	}
	pair, is := expression.(*ast.BinaryExpr)
	if !is || typed.Value != nil {
		return
	}
	var other, call string
	switch pair.Op {
	case token.LSS:
		other, call = "<=", "mutantLess"
	case token.LEQ:
		other, call = "<", "mutantLessEqual"
	case token.GTR:
		other, call = ">=", "mutantGreater"
	case token.GEQ:
		other, call = ">", "mutantGreaterEqual"
	case token.ADD:
		other, call = "-", "mutantAdd"
	case token.SUB:
		other, call = "+", "mutantSubtract"
	default:
		return
	}
	basic, is := f.info.TypeOf(pair.X).Underlying().(*types.Basic)
	if !is || basic.Info()&types.IsNumeric == 0 {
		return
	}
	f.around(pair, fmt.Sprintf("%s(%d, ", call, f.mutant(pair, f.text(pair.X)+" "+other+" "+f.text(pair.Y))), ")")
	f.operators = append(f.operators, f.offset(pair.OpPos))
}

// results has a function return no error, or nothing.
func (f *finder) results(statement *ast.ReturnStmt) {
	want := f.resultTypes[len(f.resultTypes)-1]
	if len(statement.Results) != want.Len() {
		return // none, or those of another function
	}
	for i, result := range statement.Results {
		wanted, typed := want.At(i).Type(), f.info.Types[result]
		if typed.IsNil() {
			continue
		}
		if types.Identical(wanted, types.Universe.Lookup("error").Type()) {
			f.around(result, fmt.Sprintf("mutantNil(%d, ", f.mutant(result, "nil")), ")")
			continue
		}
		if !types.Identical(wanted, typed.Type) {
			continue
		}
		switch under := wanted.Underlying().(type) {
		case *types.Basic:
			named := !types.Identical(wanted, under)
			if under.Info()&(types.IsNumeric|types.IsString) == 0 || typed.Value != nil &&
				(named || constant.Compare(typed.Value, token.EQL, zero(typed.Value))) {
				continue
			}
		case *types.Slice, *types.Map:
		default:
			continue
		}
		f.around(result, fmt.Sprintf("mutantZero(%d, ", f.mutant(result, "zero")), ")")
	}
}

func zero(like constant.Value) constant.Value {
	if like.Kind() == constant.String {
		return constant.MakeString("")
	}
	return constant.MakeInt64(0)
}

// mutated is the file with all its mutants in it.
func (f *finder) mutated() string {
	type edit struct {
		at, order int
		text      string
		skip      int
	}
	var edits []edit
	for i, in := range f.insertions {
		// Where several begin or end, the outer one begins first and ends last.
		edits = append(edits,
			edit{at: in.from, order: -in.to*len(f.insertions) + i + len(f.source)*len(f.insertions)*2, text: in.open},
			edit{at: in.to, order: -in.from*len(f.insertions) - i, text: in.closed})
	}
	for _, at := range f.operators {
		skip := 1
		if f.source[at+1] == '=' {
			skip = 2
		}
		edits = append(edits, edit{at: at, text: ",", skip: skip})
	}
	slices.SortFunc(edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order))
	})
	var out strings.Builder
	last := 0
	for _, e := range edits {
		out.WriteString(f.source[last:e.at])
		out.WriteString(e.text)
		last = e.at + e.skip
	}
	out.WriteString(f.source[last:])
	return out.String()
}
