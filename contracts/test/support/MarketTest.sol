// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IExchange} from "../../src/interfaces/IExchange.sol";
import {IConsortium, Role, Settings} from "../../src/interfaces/IConsortium.sol";
import {Deal, DealState, IEnergyMarket, Reason} from "../../src/interfaces/IEnergyMarket.sol";
import {OrderId, Side} from "../../src/types/OrderId.sol";
import {Request} from "../../src/types/Request.sol";
import {Test} from "./Test.sol";
import {vm} from "./Vm.sol";

/// @notice A request word as `Request` defines it.
function toRequest(uint32 trader, Side side, uint8 energyTypes, uint24 period, uint16 ticks, uint40 energyWh)
    pure
    returns (Request)
{
    return Request.wrap(
        uint256(energyWh) << 88 | uint256(trader) << 56 | uint256(energyTypes) << 48 | uint256(period) << 24
            | uint256(side) << 16 | ticks
    );
}

/// @title A founded region with a market: four masters and ten traders, dealt out to them in turn
abstract contract MarketTest is Test {
    address internal constant SOURCE = address(0x51);
    address internal constant GRID = address(0x52);
    address internal constant AGGREGATOR = address(0x53);
    address internal constant USER = address(0x54);
    address internal constant REGULATOR = address(0x60);
    bytes internal constant REGULATOR_KEY = "public key";
    address internal constant STRANGER = address(0x70);

    uint32 internal constant TRADERS = 10;
    uint32 internal constant SELLER = 1;
    uint32 internal constant BUYER = 4;
    uint32 internal constant OTHER_SELLER = 3;
    uint32 internal constant OTHER_BUYER = 2;

    uint24 internal constant PERIOD = 2_000_000;
    uint8 internal constant SOLAR = 1;
    uint8 internal constant WIND = 2;
    uint16 internal constant TICKS = 3_700;
    uint40 internal constant WH = 1_000;
    uint96 internal constant DEPOSIT = 1e12;
    uint48 internal constant QUOTA = 1e9;
    uint32 internal constant COOLING_OFF = 600;
    uint32 internal constant GATE_LEAD = 1_800;
    uint16 internal constant FLOOR = 100;
    uint16 internal constant CAP = 9_000;
    uint16 internal constant CANDIDATES = 16;

    IConsortium internal consortium;
    IExchange internal market;

    function setUp() public virtual {
        vm.warp(uint256(PERIOD) * 900 - 1 days);
        (address[] memory founders, Role[] memory roles) = _founders();
        bytes memory arguments = abi.encode(founders, roles, REGULATOR, REGULATOR_KEY, _settings());
        consortium = IConsortium(vm.deployCode("Consortium.sol", arguments));
        market = IExchange(vm.deployCode("EnergyMarket.sol", abi.encode(consortium)));

        uint32[] memory traders = new uint32[](TRADERS);
        uint96[] memory moneys = new uint96[](TRADERS);
        for (uint32 i; i < TRADERS; ++i) {
            (traders[i], moneys[i]) = (i + 1, DEPOSIT);
            bytes32[] memory pseudonyms = new bytes32[](1);
            pseudonyms[0] = keccak256(abi.encode(i));
            vm.prank(_masterOf(i + 1));
            market.registerTraders(pseudonyms, _oneZone(_zoneOf(i + 1)));
            _setQuota(i + 1, QUOTA);
        }
        vm.prank(GRID);
        market.deposit(traders, moneys, "payment");
    }

    // The region

    function _founders() internal pure returns (address[] memory founders, Role[] memory roles) {
        founders = new address[](4);
        roles = new Role[](4);
        for (uint160 i; i < 4; ++i) {
            founders[i] = address(uint160(SOURCE) + i);
            roles[i] = Role(i + 1);
        }
    }

    function _settings() internal pure returns (Settings memory) {
        return Settings({
            coolingOffSeconds: COOLING_OFF,
            floorTicks: FLOOR,
            capTicks: CAP,
            gateLeadSeconds: GATE_LEAD,
            maxCandidates: CANDIDATES,
            tradingRoles: 0x1e,
            fallbackTicks: 4_000,
            incentivePermille: 100,
            meteringDueSeconds: 1 days,
            apartSeconds: 1 days,
            leastWh: 1,
            bidMultiple: 255
        });
    }

    function _masterOf(uint32 trader) internal pure returns (address) {
        return address(uint160(SOURCE) + (trader - 1) % 4);
    }

    /// @dev A region without zones, unless a test says otherwise.
    function _zoneOf(uint32) internal pure virtual returns (uint8) {
        return 0;
    }

    function _oneZone(uint8 zone) internal pure returns (uint8[] memory zones) {
        zones = new uint8[](1);
        zones[0] = zone;
    }

    /// @dev Three of four masters are more than half.
    function _carry(bytes memory action) internal {
        address[3] memory voters = [GRID, SOURCE, USER];
        for (uint256 i; i < voters.length; ++i) {
            vm.prank(voters[i]);
            consortium.vote(action);
        }
    }

    function _change(Settings memory settings) internal {
        _carry(abi.encodeCall(IConsortium.changeSettings, (settings)));
    }

    function _setCoolingOff(uint32 coolingOffSeconds) internal {
        Settings memory settings = _settings();
        settings.coolingOffSeconds = coolingOffSeconds;
        _change(settings);
    }

    /// @dev The aggregator is master 3; the other seller is below it.
    function _suspendAggregator() internal {
        _carry(abi.encodeCall(IConsortium.suspend, (3)));
    }

    function _setQuota(uint32 trader, uint48 quotaWh) internal {
        _setQuota(trader, PERIOD, quotaWh);
    }

    function _setQuota(uint32 trader, uint24 period, uint48 quotaWh) internal {
        vm.prank(_masterOf(trader));
        _setOneQuota(trader, period, quotaWh);
    }

    /// @dev As the next caller, whoever that is.
    function _setOneQuota(uint32 trader, uint24 period, uint48 quotaWh) internal {
        (uint24[] memory periods, uint32[] memory traders, uint48[] memory quotas) =
            (new uint24[](1), new uint32[](1), new uint48[](1));
        (periods[0], traders[0], quotas[0]) = (period, trader, quotaWh);
        market.setQuotas(periods, traders, quotas);
    }

    /// @dev Leaves a trader this much of its free deposit.
    function _leaveMoney(uint32 trader, uint96 money) internal {
        uint96 freeMoney = market.trader(trader).freeMoney;
        vm.prank(GRID);
        market.withdraw(trader, freeMoney - money, "payment");
    }

    // Orders

    function _ask(uint32 trader, uint16 ticks, uint40 energyWh) internal returns (OrderId) {
        return _place(toRequest(trader, Side.Ask, SOLAR, PERIOD, ticks, energyWh));
    }

    function _bid(uint32 trader, uint16 ticks, uint40 energyWh) internal returns (OrderId) {
        return _place(toRequest(trader, Side.Bid, SOLAR, PERIOD, ticks, energyWh));
    }

    function _place(Request request) internal returns (OrderId) {
        vm.prank(_masterOf(request.trader()));
        return market.placeOrder(request, "record");
    }

    function _cancel(OrderId id) internal {
        OrderId[] memory ids = new OrderId[](1);
        ids[0] = id;
        vm.prank(_masterOf(market.order(id).trader));
        market.cancelOrders(ids);
    }

    function _expectRefused(Reason reason) internal {
        vm.expectRevert(abi.encodeWithSelector(IEnergyMarket.Refused.selector, reason));
    }

    function _expectPassedOver(OrderId id, OrderId candidate, Reason reason) internal {
        vm.expectEmit(address(market));
        emit IEnergyMarket.CandidatePassedOver(id, candidate, reason);
    }

    function _expectStopped(OrderId id, Reason reason) internal {
        vm.expectEmit(address(market));
        emit IEnergyMarket.MatchingStopped(id, reason);
    }

    // Deals

    function _one(uint64 dealId) internal pure returns (uint64[] memory dealIds) {
        dealIds = new uint64[](1);
        dealIds[0] = dealId;
    }

    function _confirm(address master, uint64 dealId, Side side) internal {
        vm.prank(master);
        market.confirm(_one(dealId), side);
    }

    function _confirmBoth(uint64 dealId) internal {
        Deal memory agreed = market.deal(dealId);
        _confirm(_masterOf(agreed.seller), dealId, Side.Ask);
        _confirm(_masterOf(agreed.buyer), dealId, Side.Bid);
    }

    function _abandon(address master, uint64 dealId, Side side) internal {
        vm.prank(master);
        market.abandon(_one(dealId), side);
    }

    function _expire(uint64 dealId) internal {
        vm.prank(GRID);
        market.expire(_one(dealId));
    }

    function _settle(uint64 dealId) internal {
        vm.prank(GRID);
        market.settle(_one(dealId));
    }

    function _expectDealPassedOver(uint64 dealId, Reason reason) internal {
        vm.expectEmit(address(market));
        emit IEnergyMarket.DealPassedOver(dealId, reason);
    }

    function _expectOrderPassedOver(OrderId id) internal {
        vm.expectEmit(address(market));
        emit IEnergyMarket.OrderPassedOver(id, Reason.NotYourOrder);
    }

    // What must hold

    function _assertDeal(uint64 dealId, OrderId ask, OrderId bid, uint40 energyWh) internal view {
        Deal memory agreed = market.deal(dealId);
        assertEq(agreed.period, ask.period(), "period");
        assertEq(agreed.askTicks, ask.priceTicks(), "the ask's price");
        assertEq(agreed.askTurn, ask.turn(), "the ask's turn");
        assertEq(agreed.bidTicks, bid.priceTicks(), "the bid's price");
        assertEq(agreed.bidTurn, bid.turn(), "the bid's turn");
        assertEq(agreed.energyWh, energyWh, "energy");
    }

    function _assertState(uint64 dealId, DealState state) internal view {
        assertEq(uint8(market.deal(dealId).state), uint8(state), "state of the deal");
    }

    function _assertOpen(OrderId id, uint40 openWh) internal view {
        assertEq(market.order(id).openWh, openWh, "open energy");
    }

    function _assertFirstWaiting(Side side, OrderId id) internal view {
        (OrderId[] memory ids,) = market.waitingOrders(PERIOD, side, SOLAR, 0, 1);
        assertEq(ids.length, 1, "somebody waits");
        assertEq(ids[0], id, "first in the queue");
    }

    function _assertNobodyWaits(Side side) internal view {
        (OrderId[] memory ids,) = market.waitingOrders(PERIOD, side, type(uint8).max, 0, 1);
        assertEq(ids.length, 0, "nobody waits");
    }
}
