module toy.example

go 1.26.0
