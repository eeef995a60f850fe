import "./components/nori-app.js";
