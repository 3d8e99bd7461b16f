--- How many standard deviations a 95% interval goes to both sides, of the normal distribution.
return 1.959963984540054
