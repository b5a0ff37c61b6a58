mod exploration;
